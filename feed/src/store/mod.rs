//! Where the stream is kept: one trait, one suite of tests over everything that implements it. It may be lost at any time.

mod cache;
mod hearing;
mod memory;

use std::collections::HashMap;
use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use contracts::{Audience, PostId, UserId};

use crate::change::{Change, Effect, Mark};
use crate::live::{Heard, Listener, Place, Tuned, Turned};
use crate::query::{Answer, Figures, Query};

pub use memory::MemoryStore;

/// A store could not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What was there is gone: it has to be filled again.
    #[error("the stream's state is gone")]
    Lost,
    /// It does not answer; what it holds may still be there.
    #[error("the stream's store does not answer: {0}")]
    Unavailable(String),
}

/// Keeps one stream, and while it is filled a second one that nobody sees yet.
#[async_trait]
pub trait Store: Send + Sync + Debug {
    /// One page, as far as it is known here; [`Answer::Cold`] until a stream was published.
    ///
    /// # Errors
    /// [`StoreError`]: the owner answers instead.
    async fn page(&self, query: &Query, now: DateTime<Utc>) -> Result<Answer, StoreError>;

    /// Applies a change, and notes where it was read, in one step: to the stream that is shown and to the one being filled.
    ///
    /// # Errors
    /// [`StoreError`]: nothing was applied.
    async fn apply(
        &self,
        change: Change,
        mark: Option<(Mark, DateTime<Utc>)>,
        now: DateTime<Utc>,
    ) -> Result<Effect, StoreError>;

    /// Starts a new, empty stream that is not shown yet; one that was being filled is dropped.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn begin(&self) -> Result<(), StoreError>;

    /// Shows the stream that was being filled, in one step, with an empty change log of a new generation. Without one, nothing
    /// happens.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn publish(&self, now: DateTime<Utc>) -> Result<(), StoreError>;

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
}
