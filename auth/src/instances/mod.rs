//! Several instances on one store, none of which may allow what another has ended.
//!
//! The store is the truth, and each instance has a copy of it in memory ([`crate::memory`]). What everybody must know before it
//! is answered (the end of a session, a change of an account) takes a number in its transaction. Then:
//!
//! - An instance believes its copy as long as its **lease** lasts ([`trust`]): a row of the store, renewed twice a second. A
//!   renewal counts only once the copy holds every number that was committed by then. So whatever happens to notices, an
//!   instance believes a copy without a change for as long as the lease that it had at the commit, and no longer. While the
//!   store is away the lease is renewed at a second place ([`standby`]), by the same rules.
//! - Whoever makes a change tells the others by a **notice** ([`notice`]), and answers when each of them has confirmed it or
//!   its lease has run out ([`confirm`]).
//! - Whoever does not believe its copy asks the store at each decision: without a lease, while nothing is heard
//!   ([`keeper`]), and after a number that never came ([`ledger`]) until everything was loaded anew.
//!
//! An instance without notices is alone on its store, and says so by a claim that it holds on it ([`hold`]).

mod confirm;
pub mod hold;
pub mod keeper;
mod ledger;
pub mod notice;
#[cfg(feature = "redis")]
pub mod redis;
mod rows;
pub mod standby;
mod start;
#[cfg(test)]
mod tests;
mod trust;
#[cfg(feature = "redis")]
mod windows;

use std::{collections::HashSet, sync::Arc, time::Duration};

use backends::db::{self, Db, Tx};
use chrono::{DateTime, Utc};
use kit::{
    SharedClock,
    metrics::Metrics,
    service::{Check, CheckError},
};
use parking_lot::Mutex;
use uuid::Uuid;

#[cfg(test)]
pub use self::start::Shared;
use self::{
    confirm::Confirms,
    ledger::Ledger,
    notice::{Notice, SharedNotices, Version},
    standby::SharedStandby,
    trust::Trust,
};
pub use self::{
    rows::last_number,
    start::{Joined, Place},
};

/// How long a notice may take to be said. Nothing depends on it but time: the store tells as well.
const SAYING: Duration = Duration::from_millis(250);

/// This instance's part among all on its store. Cheap to clone.
#[derive(Clone)]
pub struct Instances(Arc<Inner>);

struct Inner {
    part: Part,
    trust: Trust,
    ledger: Ledger,
    confirms: Confirms,
    /// Why nothing is heard, if so.
    deaf: Mutex<Option<String>>,
    meters: Option<Meters>,
}

enum Part {
    /// Nobody else is there.
    Alone,
    /// Decides nothing and is not waited for: a command beside the instances.
    Guest,
    /// One of several.
    Member {
        id: Uuid,
        notices: SharedNotices,
        standby: SharedStandby,
    },
}

struct Meters {
    metrics: Metrics,
}

/// What a step changed, as others must know it.
#[derive(Debug, Default)]
pub struct Told {
    /// Accounts that changed.
    pub accounts: Vec<Version>,
    /// Sessions that ended.
    pub ended: Vec<Uuid>,
}

impl Told {
    /// Whether nobody has to know.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.ended.is_empty()
    }
}

impl std::fmt::Debug for Instances {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Instances").field(&self.id()).finish()
    }
}

impl Instances {
    /// Nobody else is on the store.
    pub fn alone() -> Self {
        Self::new(Part::Alone, Trust::always(), None)
    }

    /// A command beside the instances, which decides nothing.
    pub fn guest() -> Self {
        Self::new(Part::Guest, Trust::none(), None)
    }

    /// One of several. Its copy is believed once [`keeper::keep`] says so.
    pub fn member(
        id: Uuid,
        notices: SharedNotices,
        standby: SharedStandby,
        metrics: Metrics,
    ) -> Self {
        metrics.describe_gauge(
            "auth_copy_believed",
            "1 while decisions are made from memory, 0 while each one asks the store",
        );
        let part = Part::Member {
            id,
            notices,
            standby,
        };
        let instances = Self::new(part, Trust::none(), Some(Meters { metrics }));
        *instances.0.deaf.lock() = Some("it has not begun yet".to_owned());
        instances
    }

    fn new(part: Part, trust: Trust, meters: Option<Meters>) -> Self {
        Self(Arc::new(Inner {
            part,
            trust,
            ledger: Ledger::new(),
            confirms: Confirms::new(),
            deaf: Mutex::default(),
            meters,
        }))
    }

    /// Whether who began at `now` may believe the copy.
    #[inline]
    pub fn believes(&self, now: DateTime<Utc>) -> bool {
        self.0.trust.holds(now)
    }

    /// Whether others may have made what is not in the copy.
    #[inline]
    pub fn has_others(&self) -> bool {
        !matches!(self.0.part, Part::Alone)
    }

    /// Its name among them, if it is one of several.
    pub fn id(&self) -> Option<Uuid> {
        match &self.0.part {
            Part::Member { id, .. } => Some(*id),
            Part::Alone | Part::Guest => None,
        }
    }

    /// Gives a change its number, as the last thing of its transaction.
    ///
    /// # Errors
    /// The store's.
    pub async fn number(&self, tx: &mut Tx, told: &Told) -> Result<Option<i64>, db::Error> {
        if told.is_empty() || !self.has_others() {
            return Ok(None);
        }
        rows::take_number(tx).await.map(Some)
    }

    /// Tells the others of a change that is committed and in the own copy, and waits until none of them believes a copy
    /// without it any more.
    pub async fn tell(&self, number: i64, told: Told, db: &Db, clock: &SharedClock) {
        self.0.ledger.mark(number);
        let expected = self.0.confirms.expect(number);
        let saying = async {
            if let Part::Member { id, notices, .. } = &self.0.part {
                let notice = Notice::Changed {
                    from: *id,
                    number,
                    accounts: told.accounts,
                    ended: told.ended,
                };
                say(notices, &notice).await;
            }
        };
        let known = async {
            let standing_by = self.standing_by(number, clock).await;
            expected.by_all(db, clock, self.id(), standing_by).await
        };
        let ((), late) = tokio::join!(saying, known);
        if !late.is_empty() {
            tracing::warn!(
                instances = ?late,
                "other instances did not confirm a change; their leases have run out"
            );
        }
    }

    /// Which others have a lease at the second place, after the change's number was left there; none where nobody can say.
    async fn standing_by(&self, number: i64, clock: &SharedClock) -> Option<HashSet<Uuid>> {
        let Part::Member { id, standby, .. } = &self.0.part else {
            return None;
        };
        within(SAYING, standby.changed(*id, number, clock.now()))
            .await
            .unwrap_or_else(|error| {
                tracing::debug!(%error, "it is not known who goes on without the store");
                None
            })
    }

    /// Tells the others of what was made, if there are any; nobody waits for it.
    pub fn mention(&self, account: Version, session: Option<Uuid>) {
        if let Part::Member { id, notices, .. } = &self.0.part {
            let notice = Notice::Made {
                from: *id,
                account,
                session,
            };
            let notices = notices.clone();
            tokio::spawn(async move { say(&notices, &notice).await });
        }
    }

    /// Counts a decision for which the store was asked.
    pub fn asked(&self) {
        if let Some(meters) = &self.0.meters {
            meters
                .metrics
                .counter("auth_decisions_from_store_total", &[])
                .increment(1);
        }
    }

    /// What `/health/ready` asks: an instance that hears nothing works, with a question to the store for each decision.
    pub fn readiness(&self) -> Option<Check> {
        self.id()?;
        let instances = self.clone();
        Some(Check::degrading("instances", move || {
            let deaf = instances.0.deaf.lock().clone();
            async move {
                match deaf {
                    None => Ok(()),
                    Some(why) => {
                        Err(CheckError::new("redis_unavailable", why).of_setting("auth.redis"))
                    }
                }
            }
        }))
    }
}

/// Says it in time or not at all; whoever waits is told by the store as well.
async fn say(notices: &SharedNotices, notice: &Notice) {
    if let Err(error) = within(SAYING, notices.tell(notice)).await {
        tracing::debug!(%error, "the other instances could not be told");
    }
}

/// Work that is of no use later.
async fn within<T>(
    patience: Duration,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::time::timeout(patience, work)
        .await
        .unwrap_or_else(|_| anyhow::bail!("it took too long"))
}
