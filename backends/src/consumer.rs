//! Applies the records of topics, one after the other, at least once.
//!
//! Two kinds of failure: what can never be applied ([`Failure::Poison`]) goes to the dead letters with its reason and
//! the next one follows; what cannot be applied *now* ([`Failure::Retry`]) is tried again in place, because skipping it
//! would break the order of its key.

mod progress;
mod run;

use std::sync::Arc;

use async_trait::async_trait;
use kit::{clock::SharedClock, metrics::Metrics, service::Worker};
use tokio_util::sync::CancellationToken;

pub use self::progress::{Applied, Progress};
use crate::bus::{Bus, Delivered, Start};

/// What is done with a record. Must be idempotent: after a crash the last records come again.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Applies one record. The future is dropped when the worker is stopped; the record then comes again.
    async fn apply(&self, delivered: &Delivered) -> Result<(), Failure>;

    /// Called once, when everything that was in the topics at the start of the worker is applied.
    async fn caught_up(&self) {}
}

/// Why a record was not applied.
#[derive(Debug)]
pub enum Failure {
    /// It never can be (does not parse, unknown version): to the dead letters with this reason, which must hold no
    /// personal data.
    Poison(String),
    /// A dependency failed: the same record again, after 100 ms, doubling to 5 s.
    Retry(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    /// `?` in a handler means: try again.
    fn from(error: E) -> Failure {
        Failure::Retry(error.into())
    }
}

/// A consumer before it runs.
pub struct Consumer {
    /// Its name in log and metrics.
    pub name: String,
    /// Where it reads.
    pub bus: Arc<dyn Bus>,
    /// The group under which the bus keeps its positions.
    pub group: String,
    /// What it reads; ensured before.
    pub topics: Vec<String>,
    /// Where it begins.
    pub start: Start,
    /// What it does.
    pub handler: Arc<dyn Handler>,
    /// For the age of events.
    pub clock: SharedClock,
    /// Takes the gauges `consumer_lag{consumer,topic}`, `consumer_applied_offset{consumer,topic,partition}` and
    /// `consumer_event_age_seconds{consumer}`, and `dlq_total{consumer,topic}`.
    pub metrics: Metrics,
}

impl Consumer {
    /// The worker, and how far it is.
    pub fn into_worker(self) -> (Worker, Progress) {
        let (reporter, progress) = progress::channel(self.clock.clone());
        let worker = Worker::new(self.name.clone(), move |stop| {
            run::run(self, reporter, stop)
        });
        (worker, progress)
    }

    /// Runs inside a worker of the caller, which may first do what [`Start::At`] needs. `progress` is told how to watch
    /// it before anything is read. Ends when `stop` is cancelled; an error means a mistake in the configuration.
    pub async fn run(
        self,
        progress: impl FnOnce(Progress),
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let (reporter, watch) = progress::channel(self.clock.clone());
        progress(watch);
        run::run(self, reporter, stop).await
    }
}

/// The worker of a [`Consumer`], for callers that do not watch its progress.
#[expect(
    clippy::too_many_arguments,
    reason = "the fields of Consumer, in order; use that where names help"
)]
pub fn worker<T: AsRef<str>>(
    name: impl Into<String>,
    bus: Arc<dyn Bus>,
    group: impl Into<String>,
    topics: impl IntoIterator<Item = T>,
    start: Start,
    handler: Arc<dyn Handler>,
    clock: SharedClock,
    metrics: Metrics,
) -> Worker {
    let topics = topics
        .into_iter()
        .map(|topic| topic.as_ref().to_owned())
        .collect();
    Consumer {
        name: name.into(),
        bus,
        group: group.into(),
        topics,
        start,
        handler,
        clock,
        metrics,
    }
    .into_worker()
    .0
}
