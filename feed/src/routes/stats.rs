//! How the stream is: measured when asked, no constants.

use std::time::Duration;

use axum::extract::State;
use backends::bus::{self, Bus};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::access::{Admin, Anyone};
use kit::extract::Json;
use kit::problem::Problem;
use parking_lot::Mutex;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use crate::change::Marks;
use crate::events::TOPICS;
use crate::rebuild::Report;

/// The three fields of 004, and whether a rebuild is going on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stats {
    /// Items in the stream.
    global_activity_count: usize,
    /// Whether the store of the stream answers, whatever it is.
    redis_connected: bool,
    /// Whether the consumer runs and the bus answers.
    kafka_consumer_active: bool,
    /// The stream is being filled or rebuilt. There may be one all the while: `X-Feed` says of a page when there is not.
    rebuilding: bool,
}

/// What an operator wants to know.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Detail {
    /// Timelines of audiences.
    timelines: usize,
    /// Items.
    items: usize,
    /// Bytes of their bodies.
    bytes: usize,
    /// The last message applied, by topic and partition.
    applied: Marks,
    /// Messages on the bus that are not applied; `null` while the bus does not answer.
    lag_messages: Option<i64>,
    /// When the last applied event reached the bus.
    last_event_at: Option<DateTime<Utc>>,
    /// How long ago that was.
    event_age_seconds: Option<f64>,
    /// Messages put aside because they cannot be read; `null` while the bus does not answer.
    dlq: Option<i64>,
    /// Partitions that are read.
    partitions: usize,
    /// The state that is shown, as the store names it.
    prefix: String,
    /// The rebuild that is going on, or the last one: how it goes, and how fast.
    rebuild: Report,
}

pub(super) async fn stats(_: Anyone, State(app): State<App>) -> Json<Stats> {
    let figures = app.reading.store.figures().await;
    let connected = app.reading.store.check().await.is_ok();
    let active = app.pulse.is_following() && app.probe.answers(&*app.bus, app.clock.now()).await;
    let figures = figures.unwrap_or_default();
    Json(Stats {
        global_activity_count: figures.items,
        redis_connected: connected,
        kafka_consumer_active: active,
        rebuilding: !figures.published || app.rebuilds.running(),
    })
}

pub(super) async fn detail(_: Admin, State(app): State<App>) -> Result<Json<Detail>, Problem> {
    let figures = app.reading.store.figures().await.map_err(|error| {
        Problem::unavailable(
            "store_unavailable",
            "the store of the stream does not answer",
        )
        .cause(error)
    })?;
    let (lag, partitions) = lag(&app, &figures.applied).await;
    let age = figures.last_event_at.map(|at| app.clock.now() - at);
    Ok(Json(Detail {
        timelines: figures.timelines,
        items: figures.items,
        bytes: figures.bytes,
        lag_messages: lag,
        last_event_at: figures.last_event_at,
        event_age_seconds: age.map(|age| age.as_seconds_f64().max(0.0)),
        dlq: dead_letters(&app).await,
        partitions,
        prefix: figures.prefix,
        rebuild: app.rebuilds.report(),
        applied: figures.applied,
    }))
}

/// Messages that are not applied, and how many partitions are read.
async fn lag(app: &App, applied: &Marks) -> (Option<i64>, usize) {
    // The consumer knows of dead letters too, the store of what is applied and not yet noted as read.
    let Some(mut positions) = app.pulse.positions() else {
        return (None, 0);
    };
    for (topic, partitions) in applied {
        for (partition, offset) in partitions {
            let next = positions.next(topic, *partition).max(offset + 1);
            positions.set(topic, *partition, next);
        }
    }
    let ends = app.bus.ends(&TOPICS).await.ok();
    (
        ends.map(|ends| positions.behind(&ends)),
        positions.iter().count(),
    )
}

/// How many dead letters there are; they are counted, not read.
async fn dead_letters(app: &App) -> Option<i64> {
    let mut letters = 0;
    for topic in TOPICS {
        letters += app.bus.kept(&bus::dead_letters(topic)).await.ok()?;
    }
    Some(letters)
}

/// Whether the bus answers, asked at most once a second however often people ask us.
#[derive(Debug, Default)]
pub(crate) struct BusProbe {
    last: Mutex<Option<(DateTime<Utc>, bool)>>,
}

impl BusProbe {
    async fn answers(&self, bus: &dyn Bus, now: DateTime<Utc>) -> bool {
        let last = *self.last.lock();
        if let Some((asked, answered)) = last
            && now - asked < TimeDelta::seconds(1)
        {
            return answered;
        }
        let asked = tokio::time::timeout(Duration::from_secs(1), bus.check()).await;
        let answered = matches!(asked, Ok(Ok(())));
        *self.last.lock() = Some((now, answered));
        answered
    }
}
