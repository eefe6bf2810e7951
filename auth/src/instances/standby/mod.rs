//! Leases at a second place, for as long as the store is away.
//!
//! While no instance reaches the store nothing changes, and each may go on believing its copy; but one that does not reach it
//! cannot know whether another does. So it takes its lease at a place beside the store, where whoever makes a change leaves
//! the change's number and looks whom to wait for. In whichever order the two come there, one sees the other: the lease is in
//! the list of those who are waited for, or the number is there before it.
//!
//! The place may lose what it holds. It says so by its life: a lease is renewed only in the life in which the store was last
//! read, and in a life that is younger than a lease nobody can say who held one.

#[cfg(feature = "redis")]
mod redis;

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

#[cfg(feature = "redis")]
pub use self::redis::RedisStandby;

/// From when to when the place has lost nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life(pub Uuid);

/// The second place, as one instance has it.
#[async_trait]
pub trait Standby: Send + Sync {
    /// This instance's lease was renewed in the store, where `number` was the last change: it needs none here. Answers the
    /// place's life.
    ///
    /// # Errors
    /// When it surely or perhaps did not happen, as everywhere here.
    async fn renewed_in_store(
        &self,
        me: Uuid,
        number: i64,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Life>;

    /// Renews this instance's lease here, unless the place has another life by now. Answers the last change that is known here.
    async fn renew(
        &self,
        me: Uuid,
        life: Life,
        until: DateTime<Utc>,
    ) -> anyhow::Result<Option<i64>>;

    /// A change was committed. Answers which others have a lease here; none where that cannot be known.
    async fn changed(
        &self,
        me: Uuid,
        number: i64,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Option<HashSet<Uuid>>>;

    /// The store has gone back, and numbers begin anew: begins another life.
    async fn forget(&self) -> anyhow::Result<()>;
}

/// The place as it is held.
pub type SharedStandby = Arc<dyn Standby>;

/// The lives in which this instance may stand by.
#[derive(Debug, Default)]
pub struct Lives {
    last: Option<Life>,
    proved: Option<Life>,
}

impl Lives {
    /// Nothing is known of the place, or the copy has to be loaded first.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// The place had this life when a renewal in the store was over. Only a life that was there before the renewal's number was
    /// read is one in which every later number is known there.
    pub fn seen(&mut self, life: Life) {
        self.proved = (self.last == Some(life)).then_some(life);
        self.last = Some(life);
    }

    /// The life in which a lease may be taken there.
    pub fn proved(&self) -> Option<Life> {
        self.proved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_counts_when_it_was_there_before_the_store_was_read() {
        let (one, other) = (Life(Uuid::from_u128(1)), Life(Uuid::from_u128(2)));
        let mut lives = Lives::default();
        let mut seen = |life| {
            lives.seen(life);
            lives.proved()
        };
        assert_eq!(seen(one), None);
        assert_eq!(seen(one), Some(one));
        assert_eq!(seen(one), Some(one));
        assert_eq!(seen(other), None);
        assert_eq!(seen(other), Some(other));
        lives.forget();
        assert_eq!(lives.proved(), None);
    }
}
