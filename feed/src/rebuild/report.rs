//! How a rebuild goes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a rebuild is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It has not begun, or waits before it tries again.
    Waiting,
    /// Reads what the owner of the posts has.
    Export,
    /// Reads what is on the bus.
    Bus,
    /// Waits until what is shown is as new as the bus.
    CatchUp,
    /// The new stream is shown.
    Done,
    /// It came to nothing, and what was shown before is shown.
    Failed,
}

/// Why there is a rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The feed was started.
    Start,
    /// The stream's state was gone.
    Lost,
    /// Somebody asked for it.
    Asked,
}

/// A rebuild that is going on, or the last one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// Its name.
    pub job: String,
    /// Why there is one.
    pub cause: Cause,
    /// What it is at.
    pub phase: Phase,
    /// How much of this phase is done: posts of the export, messages of the bus.
    pub done: u64,
    /// How much of this phase there is, where that is known.
    pub total: Option<u64>,
    /// Posts and messages read so far, over all phases.
    pub items: u64,
    /// Per second; `null` before anything was read.
    pub items_per_second: Option<f64>,
    /// How long it took, or has taken so far.
    pub seconds: f64,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it failed, or what it tries again after.
    pub error: Option<String>,
}

impl Report {
    pub(super) fn new(job: String, cause: Cause, now: DateTime<Utc>) -> Self {
        Self {
            job,
            cause,
            phase: Phase::Waiting,
            done: 0,
            total: None,
            items: 0,
            items_per_second: None,
            seconds: 0.0,
            started_at: now,
            ended_at: None,
            error: None,
        }
    }

    pub(super) fn advance(&mut self, count: u64, now: DateTime<Utc>) {
        self.done += count;
        self.items += count;
        self.measure(now);
    }

    /// Ends it, unless it has ended.
    pub(super) fn end(&mut self, error: Option<&str>, now: DateTime<Utc>) -> bool {
        if self.ended_at.is_some() {
            return false;
        }
        self.measure(now);
        self.phase = if error.is_some() {
            Phase::Failed
        } else {
            Phase::Done
        };
        self.error = error.map(str::to_owned);
        self.ended_at = Some(now);
        true
    }

    fn measure(&mut self, now: DateTime<Utc>) {
        self.seconds = (now - self.started_at).as_seconds_f64().max(0.0);
        self.items_per_second =
            (self.items > 0 && self.seconds > 0.0).then(|| self.items as f64 / self.seconds);
    }
}
