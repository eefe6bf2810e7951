//! How far a consumer is.

use chrono::{DateTime, Duration, Utc};
use kit::clock::SharedClock;
use tokio::sync::watch;

use crate::bus::{Delivered, Positions};

/// What a consumer has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The positions after the last record applied (or sent to the dead letters) of each partition; where another member of
    /// the group reads, where that one is.
    pub positions: Positions,
    /// When the log took the last record applied.
    pub last_event_at: Option<DateTime<Utc>>,
    /// Whether everything present at the start is applied.
    pub caught_up: bool,
    /// Why the record at hand, or the bus, fails at the moment; readiness shows it.
    pub failing: Option<String>,
}

/// Watches one consumer. Cheap to clone; outlives the worker, with its last state.
#[derive(Clone, Debug)]
pub struct Progress {
    state: watch::Receiver<Applied>,
    clock: SharedClock,
}

/// The worker's end of [`Progress`].
#[derive(Debug)]
pub(super) struct Reporter(watch::Sender<Applied>);

pub(super) fn channel(clock: SharedClock) -> (Reporter, Progress) {
    let (sender, state) = watch::channel(Applied::default());
    (Reporter(sender), Progress { state, clock })
}

impl Progress {
    /// The state at this moment.
    pub fn applied(&self) -> Applied {
        self.state.borrow().clone()
    }

    /// Waits until `target` (of [`crate::bus::Bus::ends`]) is applied; false if the worker ended before.
    pub async fn reached(&self, target: &Positions) -> bool {
        self.state
            .clone()
            .wait_for(|applied| applied.positions.covers(target))
            .await
            .is_ok()
    }

    /// Waits until everything present at the start is applied; false if the worker ended before.
    pub async fn caught_up(&self) -> bool {
        self.state
            .clone()
            .wait_for(|applied| applied.caught_up)
            .await
            .is_ok()
    }

    /// Changes whenever a record was applied, for waits of the caller's own.
    pub fn watch(&self) -> watch::Receiver<Applied> {
        self.state.clone()
    }

    /// How long ago the log took the last record applied; says nothing on a quiet topic.
    pub fn age(&self) -> Option<Duration> {
        let last = self.state.borrow().last_event_at?;
        Some(self.clock.now() - last)
    }
}

impl Reporter {
    pub(super) fn begin(&self, start: Positions) {
        self.0.send_modify(|applied| applied.positions = start);
    }

    pub(super) fn passed(&self, delivered: &Delivered) {
        self.0.send_modify(|applied| {
            applied.positions.pass(delivered);
            applied.last_event_at = Some(delivered.at);
            applied.failing = None;
        });
    }

    /// Positions that were reached without a record: never back.
    pub(super) fn reached(&self, positions: &Positions) {
        self.0.send_if_modified(|applied| {
            let mut moved = false;
            for (topic, partition, next) in positions.iter() {
                if next > applied.positions.next(topic, partition) {
                    applied.positions.set(topic, partition, next);
                    moved = true;
                }
            }
            moved
        });
    }

    pub(super) fn failing(&self, reason: Option<String>) {
        self.0.send_if_modified(|applied| {
            let changed = applied.failing != reason;
            applied.failing = reason;
            changed
        });
    }

    pub(super) fn caught_up(&self) {
        self.0.send_modify(|applied| applied.caught_up = true);
    }

    pub(super) fn covers(&self, target: &Positions) -> bool {
        self.0.borrow().positions.covers(target)
    }

    pub(super) fn positions(&self) -> Positions {
        self.0.borrow().positions.clone()
    }
}
