//! What the relay asks of the store in which events wait.

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{bus::Record, db::Error, lease::Claim};

/// What waits.
#[derive(Debug)]
pub struct Waiting<P> {
    /// Each event, and where it waits.
    pub events: Vec<(P, Record)>,
    /// Nothing else waited when this was read.
    pub all: bool,
}

/// Events that wait for the relay. [`crate::Db`] is one; a store that is not relational keeps its own.
#[async_trait]
pub trait Outbox: Clone + Send + Sync + 'static {
    /// Where one event waits.
    type Place: Clone + Send + Sync;

    /// What metrics call the store.
    fn store(&self) -> &str;

    /// Changes whenever this process has written an event, so that the relay need not wait for its poll.
    fn news(&self) -> watch::Receiver<u64>;

    /// Whether nothing waits; cheaper than counting, and writes nothing.
    async fn is_empty(&self) -> Result<bool, Error>;

    /// How many events wait.
    async fn depth(&self) -> Result<i64, Error>;

    /// Takes or renews the lease of the one relay that sends; false if another holds it.
    async fn take(&self, claim: Claim<'_>) -> Result<bool, Error>;

    /// Gives the lease up.
    async fn release(&self, holder: &str) -> Result<(), Error>;

    /// Up to `limit` of the events that have waited longest; those of one key in their order, and none before an earlier one.
    async fn oldest(&self, limit: usize) -> Result<Waiting<Self::Place>, Error>;

    /// Events that this process wrote since it was asked last, in their order, where they are known without a read; perhaps
    /// not all of them.
    fn written(&self) -> Vec<(Self::Place, Record)> {
        Vec::new()
    }

    /// Whether the second place is the very next one: nothing waits between them, nor ever will.
    fn follows(&self, _before: &Self::Place, _next: &Self::Place) -> bool {
        false
    }

    /// Waits until everything that was read is on disk.
    async fn synced(&self) -> Result<(), Error>;

    /// Removes what the bus has, whoever holds the lease by now. Need not be durable: what stays is sent again, and taken once.
    async fn discard(&self, places: &[Self::Place]) -> Result<(), Error>;
}
