//! Where the stream is kept: one trait, one suite of tests over everything that implements it. It may be lost at any time.

mod cache;
mod hearing;
mod memory;
mod open;
#[cfg(feature = "redis")]
mod redis;

use std::collections::HashMap;
use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use contracts::events::PostState;
use contracts::{Audience, PostId, UserId};

use crate::change::{Change, Effect, Mark};
use crate::live::{Heard, Listener, Place, Tuned, Turned};
use crate::position::Position;
use crate::projection::{Gap, Window};
use crate::query::{Answer, Figures, Query};

pub use memory::MemoryStore;
pub use open::open;
#[cfg(feature = "redis")]
pub use redis::RedisStore;

/// A store could not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// What was there is gone: it has to be filled again.
    #[error("the stream's state is gone")]
    Lost,
    /// Another generation is being built than the one that was meant.
    #[error("another stream is being built meanwhile")]
    Superseded,
    /// Another instance builds a stream on the same store: that one is awaited, or its end.
    #[error("another instance is building the stream")]
    Busy,
    /// It does not answer; what it holds may still be there.
    #[error("the stream's store does not answer: {0}")]
    Unavailable(String),
}

/// Something that is put into a generation that is being built.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// In any order.
    pub changes: Vec<Change>,
    /// Up to where topics are read with it, and when those records reached the bus.
    pub read: Vec<(Mark, DateTime<Utc>)>,
}

/// Keeps one stream that is shown, and while a rebuild goes on a second one beside it that nobody sees yet. Each is a
/// generation with a number of its own; who builds one, when and from what is not the store's to know.
///
/// What happens meanwhile is [applied](Store::apply) to both. So the one beside needs to be [given](Store::add) only what
/// was before it [began](Store::begin), and is never behind the one that is shown once it has that.
#[async_trait]
pub trait Store: Send + Sync + Debug {
    /// One page, as far as it is known here; [`Answer::Cold`] until a stream was published.
    ///
    /// # Errors
    /// [`StoreError`]: the owner answers instead.
    async fn page(&self, query: &Query, now: DateTime<Utc>) -> Result<Answer, StoreError>;

    /// Applies a change, and notes where it was read, in one step: to the stream that is shown and to the one being built.
    /// The effect is that on the one that is shown, if there is one.
    ///
    /// # Errors
    /// [`StoreError`]: nothing was applied; [`StoreError::Lost`] where there is neither.
    async fn apply(
        &self,
        change: Change,
        mark: Option<(Mark, DateTime<Utc>)>,
        now: DateTime<Utc>,
    ) -> Result<Effect, StoreError>;

    /// Starts a new, empty generation that is not shown yet, and answers its number, which no other had or will have. One
    /// that was being built is dropped: whoever built it was killed, or finds out by [`StoreError::Superseded`].
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Busy`] while another instance on the same store builds one and is alive.
    async fn begin(&self, now: DateTime<Utc>) -> Result<u64, StoreError>;

    /// Puts changes into the generation that is being built, and into that alone.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Superseded`] when another is being built.
    async fn add(
        &self,
        generation: u64,
        batch: Batch,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError>;

    /// Shows the generation that was being built, in one step, with an empty change log of this number, and drops the one
    /// that was shown.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Superseded`] when another is being built.
    async fn publish(&self, generation: u64) -> Result<(), StoreError>;

    /// Drops the generation if it is still being built.
    ///
    /// # Errors
    /// [`StoreError`]: the next [`begin`](Store::begin) does.
    async fn abandon(&self, generation: u64) -> Result<(), StoreError>;

    /// The windows with room for what lies below them: of the generation that is being built if that is asked for by its
    /// number, else of the one that is shown.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn gaps(&self, building: Option<u64>) -> Result<Vec<Gap>, StoreError>;

    /// Fills a window up with what the owner has directly below it, newest first; `end`: it has no more. Tells whether the gap was
    /// still as it was when it was told of; if not, nothing happens.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn refill(
        &self,
        gap: &Gap,
        found: &[PostState],
        end: bool,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError>;

    /// Posts of foreign producers below a place that belong on this page, newest first: the owner does not know them.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn foreign(
        &self,
        query: &Query,
        below: Position,
        limit: usize,
    ) -> Result<Vec<PostState>, StoreError>;

    /// Every window that is shown, whole, to be compared with what it should be; `None` while nothing is shown.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn windows(&self) -> Result<Option<Vec<Window>>, StoreError>;

    /// Where a live reader begins: at the place they ask for if everything since is known and their rights did not change
    /// meanwhile, else at the end of the change log.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn tune(&self, user: UserId, from: Option<Place>) -> Result<Tuned, StoreError>;

    /// What a live reader hears next, in order: about `most` bytes of items at a time.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn hear(&self, listener: &Listener, most: usize) -> Result<Heard, StoreError>;

    /// What it does to what a live reader has at their place when they read these audiences instead.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn turn(&self, listener: &Listener, audiences: &[Audience])
    -> Result<Turned, StoreError>;

    /// The version of a post that is applied in the stream that is shown, its end included.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn version(&self, id: PostId) -> Result<Option<i64>, StoreError>;

    /// The version of an account whose name is applied in the stream that is shown.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn name_version(&self, user: UserId) -> Result<Option<i64>, StoreError>;

    /// The names of these people today, as JSON, where accounts or profiles told them.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn names(&self, users: &[UserId]) -> Result<HashMap<UserId, String>, StoreError>;

    /// What it holds.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn figures(&self) -> Result<Figures, StoreError>;

    /// Whether it answers.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn check(&self) -> Result<(), StoreError>;

    /// Until something may have been applied or shown by another instance on the same store; for ever where there is none.
    async fn news(&self) {
        std::future::pending::<()>().await;
    }
}
