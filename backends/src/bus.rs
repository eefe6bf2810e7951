//! The event log: topics of records, kept in order, read by groups that remember how far they are.
//!
//! The trait is cut so that Kafka fits behind it; the implementation here is an SQLite file with one partition per topic.

mod again;
mod compaction;
mod error;
mod positions;
mod retention;
mod sqlite;
mod subscription;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use kit::{clock::SharedClock, service::Worker};
use uuid::Uuid;

pub use self::{
    again::{Again, Republished},
    error::BusError,
    positions::Positions,
};

/// How long events of a topic are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// By time.
    Days(u32),
    /// The newest event of each key for ever, and everything of the last hour. Events without a key are never removed.
    Compacted,
}

/// A topic and how it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicPolicy {
    /// Its name.
    pub name: &'static str,
    /// How long events stay.
    pub retention: Retention,
}

/// What is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where to; must be ensured before.
    pub topic: String,
    /// Order is kept per key.
    pub key: Option<String>,
    /// The value.
    pub payload: Bytes,
    /// Text headers.
    pub headers: BTreeMap<String, String>,
    /// Repeated within a topic, the record is taken once. Absent on foreign records.
    pub event_id: Option<Uuid>,
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The record as published.
    pub record: Record,
    /// Its partition; 0 in the embedded log.
    pub partition: i32,
    /// Its place in the partition. Rises, with holes where older records of a key were removed.
    pub offset: i64,
    /// When the log took it.
    pub at: DateTime<Utc>,
}

/// Where a subscription begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Where the group committed, else at the earliest record kept.
    Committed,
    /// At the earliest record kept.
    Earliest,
    /// At these positions; topics without one as [`Start::Committed`].
    At(Positions),
}

/// The name of the topic that takes what could not be applied from `topic`.
pub fn dead_letters(topic: &str) -> String {
    format!("{topic}{DEAD_LETTERS}")
}

const DEAD_LETTERS: &str = ".dlq";

/// The topic whose dead letters `topic` takes, if it is such a one.
pub(crate) fn of_dead_letters(topic: &str) -> Option<&str> {
    topic.strip_suffix(DEAD_LETTERS)
}

/// An event log.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Makes the topics, or changes their policy; idempotent. Each brings its `<topic>.dlq`: one partition, kept 30 days.
    async fn ensure(&self, topics: &[TopicPolicy]) -> Result<(), BusError>;

    /// Appends the records in order. Durable when Ok; all or nothing in the embedded log.
    async fn publish(&self, records: Vec<Record>) -> Result<(), BusError>;

    /// Appends records that were taken before, for a second chance: their event ids stay and do not make them repetitions.
    /// Tells of each whether it went out. Durable when Ok.
    async fn republish(&self, records: Vec<Again>) -> Result<Vec<Republished>, BusError>;

    /// The names of all topics.
    async fn topics(&self) -> Result<Vec<String>, BusError>;

    /// The records there are from these positions on, at most `limit`, without a group and without waiting. Empty: the end.
    async fn read(
        &self,
        topic: &str,
        from: &Positions,
        limit: usize,
    ) -> Result<Vec<Delivered>, BusError>;

    /// How many records the topic keeps.
    async fn kept(&self, topic: &str) -> Result<i64, BusError>;

    /// Takes these records out of a `<topic>.dlq` for good, so that [`Bus::read`] and [`Bus::kept`] no longer know them;
    /// what is not there is passed over. Answers how many there were. Durable when Ok. Any other topic is refused.
    async fn remove(&self, topic: &str, offsets: &[i64]) -> Result<u64, BusError>;

    /// Reads the topics as `group`. In the embedded log every subscription of a group gets every record: run one.
    async fn subscribe(
        &self,
        group: &str,
        topics: &[&str],
        start: Start,
    ) -> Result<Box<dyn Subscription>, BusError>;

    /// The positions after the newest records.
    async fn ends(&self, topics: &[&str]) -> Result<Positions, BusError>;

    /// For readiness.
    async fn check(&self) -> Result<(), BusError>;

    /// What the log needs done in the background (retention, compaction); the process that owns it runs them once.
    fn workers(&self) -> Vec<Worker>;
}

/// One reader of topics.
#[async_trait]
pub trait Subscription: Send {
    /// The next record; waits for it. Dropping the future loses nothing.
    async fn next(&mut self) -> Result<Delivered, BusError>;

    /// Notes that everything up to and with `delivered` of its topic is applied. May be held back until the records
    /// read ahead are done, or [`Subscription::flush`].
    async fn commit(&mut self, delivered: &Delivered) -> Result<(), BusError>;

    /// Stores commits held back.
    async fn flush(&mut self) -> Result<(), BusError>;

    /// Where the reading began: the positions at the time of subscribing, of every topic.
    fn start(&self) -> Positions;
}

/// Opens the bus at `sqlite:PATH`.
pub async fn open(url: &str, clock: SharedClock) -> Result<Arc<dyn Bus>, BusError> {
    match url.split_once(':') {
        Some(("sqlite", path)) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            Ok(Arc::new(
                sqlite::SqliteBus::open(Path::new(path), clock).await?,
            ))
        }
        other => {
            let scheme = other.map_or("", |(scheme, _)| scheme);
            Err(BusError::Configuration(format!(
                "unknown scheme `{scheme}:`; known: sqlite:"
            )))
        }
    }
}
