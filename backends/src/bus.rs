//! The event log: topics of records, kept in order, read by groups that remember how far they are.
//!
//! Two implementations: an SQLite file with one partition per topic, and Kafka (feature `kafka`).

mod again;
mod compaction;
mod error;
#[cfg(feature = "kafka")]
pub(crate) mod kafka;
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
use tokio::sync::watch;
use uuid::Uuid;

pub use self::{
    again::{Again, Republished},
    error::BusError,
    positions::Positions,
};
use crate::db::DbOptions;

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
    /// Repeated within a topic, the record is taken once, by the embedded log; Kafka takes only dead letters once. Absent on
    /// foreign records.
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
    /// At these positions the first time a partition is ours; partitions without one as [`Start::Committed`].
    At(Positions),
    /// At these positions, without one at the earliest record kept; in no group: each such subscription gets every record,
    /// however many there are, and nothing is committed. For what every process must hear itself.
    Alone(Positions),
}

/// The name of the topic that takes what could not be applied from `topic`.
pub fn dead_letters(topic: &str) -> String {
    format!("{topic}{DEAD_LETTERS}")
}

const DEAD_LETTERS: &str = ".dlq";

/// Why single records of this topic cannot be removed.
fn not_letters(topic: &str) -> BusError {
    BusError::Configuration(format!(
        "records are removed singly from dead letters only, not from `{topic}`"
    ))
}

/// The topic whose dead letters `topic` takes, if it is such a one.
pub(crate) fn of_dead_letters(topic: &str) -> Option<&str> {
    topic.strip_suffix(DEAD_LETTERS)
}

/// An event log.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Makes the topics, or changes their policy; idempotent. Each brings its `<topic>.dlq`: one partition, kept 30 days. A
    /// broker that is away is not waited for: the topics are made as soon as it is back.
    async fn ensure(&self, topics: &[TopicPolicy]) -> Result<(), BusError>;

    /// Appends the records, in order of each key. Durable when Ok. All or nothing in the embedded log; on Kafka some of them
    /// may be there after an error. Fails after some seconds where nobody answers.
    async fn publish(&self, records: Vec<Record>) -> Result<(), BusError>;

    /// Appends records that were taken before, for a second chance: their event ids stay and do not make them repetitions.
    /// Tells of each whether it went out. Durable when Ok.
    async fn republish(&self, records: Vec<Again>) -> Result<Vec<Republished>, BusError>;

    /// The names of all topics.
    async fn topics(&self) -> Result<Vec<String>, BusError>;

    /// The records there are from these positions on, at most `limit`, without a group and without waiting, in order of
    /// partition and offset. Empty: the end. To go on, [`Positions::pass`] every one of them.
    async fn read(
        &self,
        topic: &str,
        from: &Positions,
        limit: usize,
    ) -> Result<Vec<Delivered>, BusError>;

    /// How many records the topic keeps; on Kafka with the holes of compacted topics.
    async fn kept(&self, topic: &str) -> Result<i64, BusError>;

    /// Takes these records out of a `<topic>.dlq` for good, so that [`Bus::read`] and [`Bus::kept`] no longer know them;
    /// what is not there is passed over. Answers how many there were. Durable when Ok. Any other topic is refused.
    async fn remove(&self, topic: &str, offsets: &[i64]) -> Result<u64, BusError>;

    /// Reads the topics as `group`, whose subscriptions share the partitions. In the embedded log each of them gets every
    /// record: run one.
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
    /// The next record; waits for it. Dropping the future loses nothing. Asked for again after an error it goes on where it
    /// was.
    async fn next(&mut self) -> Result<Delivered, BusError>;

    /// Notes that everything up to and with `delivered` of its partition is applied. May be held back until the records
    /// read ahead are done, a second has gone by, or [`Subscription::flush`].
    async fn commit(&mut self, delivered: &Delivered) -> Result<(), BusError>;

    /// Stores commits held back.
    async fn flush(&mut self) -> Result<(), BusError>;

    /// Stores commits held back and leaves the group, so that the others go on at once. Dropping leaves it later, and unseen.
    async fn close(self: Box<Self>) -> Result<(), BusError>;

    /// Where the reading began: the positions at the time of subscribing, of every partition of every topic.
    fn start(&self) -> Positions;

    /// Positions that were reached otherwise than by a record handed out here: where the other members of the group are in
    /// their partitions, and places without a record. Never goes back.
    fn elsewhere(&self) -> watch::Receiver<Positions>;
}

/// Opens the bus at `sqlite:PATH` or `kafka://user:password@host:port,host2:port2?partitions=6` (feature `kafka`). Of a bus that
/// is a server only the address is looked at: it may be away.
pub async fn open(url: &str, clock: SharedClock) -> Result<Arc<dyn Bus>, BusError> {
    open_with(url, clock, DbOptions::default()).await
}

/// [`open`], with options of the embedded log's database.
pub(crate) async fn open_with(
    url: &str,
    clock: SharedClock,
    options: DbOptions,
) -> Result<Arc<dyn Bus>, BusError> {
    match url.split_once(':') {
        Some(("sqlite", path)) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            Ok(Arc::new(
                sqlite::SqliteBus::open(Path::new(path), clock, options).await?,
            ))
        }
        #[cfg(feature = "kafka")]
        Some(("kafka", address)) => Ok(Arc::new(kafka::KafkaBus::open(address)?)),
        #[cfg(not(feature = "kafka"))]
        Some(("kafka", _)) => Err(BusError::Configuration(
            "`kafka:` is known, but this program was built without Kafka: build it with `--features kafka`".to_owned(),
        )),
        other => {
            let scheme = other.map_or("", |(scheme, _)| scheme);
            Err(BusError::Configuration(format!(
                "unknown scheme `{scheme}:`; known: sqlite:, kafka:"
            )))
        }
    }
}
