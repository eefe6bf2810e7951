#![doc = include_str!("../README.md")]

mod atom;
mod audiences;
mod change;
mod config;
mod events;
mod follow;
mod foreign;
mod item;
mod live;
mod page;
mod position;
mod projection;
mod pulse;
mod query;
mod reading;
mod rebuild;
mod routes;
pub mod store;
mod verify;

#[cfg(test)]
mod model;
#[cfg(test)]
#[path = "../tests/it/support/owner.rs"]
mod owner;

use std::sync::Arc;
use std::time::Duration;

use backends::bus::{Bus, Retention};
use chrono::TimeDelta;
use contracts::topics::{AUTH_EVENTS, AUTH_SIGNALS, POSTS_EVENTS, PROFILE_EVENTS};
use contracts::{Posts, Roster, Verifier, access};
use kit::clock::SharedClock;
use kit::metrics::Metrics;
use kit::service::{Check, CheckError, Service};

pub use change::{Change, Effect, Mark, Marks, NameSource, Order, Rights, Source, Touch};
pub use config::{Config, SECTION};
pub use item::{Body, Item};
pub use live::{Event, Heard, Listener, NoPlace, Op, Place, Tuned, Turned};
pub use page::StreamPage;
pub use position::Position;
pub use projection::{Gap, Kept, Limits, Line, Window};
pub use pulse::Applied;
pub use query::{Answer, Figures, Filter, Part, Query, Rest, Scope, Start};
pub use rebuild::{Cause, Phase, Rebuilds, Report};
pub use routes::api;
pub use verify::{Difference, Inspector, Verdict};

use events::Projector;
use follow::Keeper;
use live::hub::Hub;
use pulse::Pulse;
use reading::Reading;
use rebuild::build::Builder;
use rebuild::refill::Refiller;
use rebuild::sources::Sources;
use routes::Shared;
use store::Store;
use verify::Tape;

/// The kind of an item that is a post.
pub(crate) const KIND_POST: &str = "post";
/// The state of a post that is shown.
pub(crate) const PUBLISHED: &str = "published";

/// What the feed is given.
pub struct Deps {
    /// Where posts and accounts tell what happened.
    pub bus: Arc<dyn Bus>,
    /// The owner of the posts.
    pub posts: Arc<dyn Posts>,
    /// Who belongs to what.
    pub roster: Arc<dyn Roster>,
    /// Proves bearer tokens.
    pub verifier: Verifier,
    /// `posts.public_audience`: whether anything is read without sign-in.
    pub public_audience: bool,
    /// Where people reach this school, `https://school.example`; empty where that is not known.
    pub public_url: String,
    /// The time.
    pub clock: SharedClock,
    /// Counts and gauges.
    pub metrics: Metrics,
}

/// The feed, ready to be hosted.
pub struct Built {
    /// Routes, workers, checks.
    pub service: Service,
    /// Waits until a change is visible.
    pub applied: Applied,
    /// Starts rebuilds and tells how they go.
    pub rebuilds: Rebuilds,
    /// Compares the stream with its owner.
    pub inspector: Inspector,
}

/// Builds the feed with its stream where `feed.store` says.
///
/// # Errors
/// A setting that cannot be, or a topic that cannot be made.
pub async fn build(config: Config, deps: Deps) -> anyhow::Result<Built> {
    config.check()?;
    let limits = Limits {
        window: config.window,
        remember: remember(),
    };
    let page_cache = config.page_cache_kib.saturating_mul(1024);
    let store = store::open(&config.store, limits, page_cache)?;
    build_on(store, config, deps).await
}

/// Builds the feed on a store.
///
/// # Errors
/// As [`build`].
pub async fn build_on(store: Arc<dyn Store>, config: Config, deps: Deps) -> anyhow::Result<Built> {
    config.check()?;
    let Deps {
        bus,
        posts,
        roster,
        verifier,
        public_audience,
        public_url,
        clock,
        metrics,
    } = deps;
    bus.ensure(&[POSTS_EVENTS, AUTH_EVENTS, PROFILE_EVENTS, AUTH_SIGNALS])
        .await?;
    describe(&metrics);
    let pulse = Arc::new(Pulse::new());
    let tape = Arc::new(Tape::default());
    let rebuilds = Rebuilds::new(clock.clone());
    let projector = Projector {
        store: store.clone(),
        posts: posts.clone(),
        clock: clock.clone(),
        metrics: metrics.clone(),
        pulse: pulse.clone(),
        tape: tape.clone(),
    };
    let sources = Sources {
        bus: bus.clone(),
        posts: posts.clone(),
        group: config.group.clone(),
    };
    let refiller = Refiller {
        store: store.clone(),
        posts: posts.clone(),
        clock: clock.clone(),
        pulse: pulse.clone(),
        public: public_audience,
    };
    let builder = Builder {
        store: store.clone(),
        sources: sources.clone(),
        refiller: refiller.clone(),
        clock: clock.clone(),
        metrics: metrics.clone(),
        pulse: pulse.clone(),
    };
    let inspector = Inspector {
        store: store.clone(),
        sources,
        tape,
        pulse: pulse.clone(),
        clock: clock.clone(),
        window: config.window,
        public: public_audience,
    };
    let reading = Reading {
        store: store.clone(),
        posts,
        clock: clock.clone(),
        metrics: metrics.clone(),
        pulse: pulse.clone(),
    };
    let hub = Hub::new(
        config.live_streams,
        config.live_streams_per_person,
        &metrics,
    );
    let signals = live::signals::worker(
        hub.clone(),
        bus.clone(),
        &config.group,
        clock.clone(),
        metrics,
    )
    .await?;
    let app = Shared {
        reading,
        roster,
        bus: bus.clone(),
        pulse: pulse.clone(),
        probe: routes::BusProbe::default(),
        hub,
        quiet: Duration::from_secs(config.live_comment_seconds),
        clock,
        public_audience,
        public_url,
        rebuilds: rebuilds.clone(),
    };
    let routes = routes::routes(Arc::new(app))?;
    let routes = access::with_verifier(routes, verifier);
    let checks = checks(&store, &bus);
    let keeper = Keeper {
        bus,
        group: config.group,
        projector,
        builder,
        refiller,
        rebuilds: rebuilds.clone(),
    };
    let service = Service {
        name: "feed",
        routes,
        workers: vec![keeper.worker(), signals],
        checks,
    };
    Ok(Built {
        service,
        applied: Applied { store, pulse },
        rebuilds,
        inspector,
    })
}

/// How long versions of what is not shown are remembered: as long as an event of them may come, and a day.
fn remember() -> TimeDelta {
    let days = match POSTS_EVENTS.retention {
        Retention::Days(days) => i64::from(days),
        Retention::Compacted => 0,
    };
    TimeDelta::days(days + 1)
}

fn checks(store: &Arc<dyn Store>, bus: &Arc<dyn Bus>) -> Vec<Check> {
    let (kept, filled) = (store.clone(), store.clone());
    vec![
        Check::essential("store", move || {
            let store = kept.clone();
            async move {
                store
                    .check()
                    .await
                    .map_err(|error| CheckError::new("store_unavailable", error))
            }
        }),
        backends::readiness::of_bus(bus.clone()),
        Check::degrading("stream", move || {
            let store = filled.clone();
            async move {
                match store.figures().await {
                    Ok(figures) if figures.published => Ok(()),
                    Ok(_) => Err(CheckError::new("rebuilding", "the stream is being filled")),
                    Err(error) => Err(CheckError::new("store_unavailable", error)),
                }
            }
        }),
    ]
}

fn describe(metrics: &Metrics) {
    metrics.describe_gauge("feed_items", "items in the stream");
    metrics.describe_gauge("feed_bytes", "bytes of their bodies");
    metrics.describe_gauge(
        "feed_fill_seconds",
        "how long the last filling from the posts took",
    );
    metrics.describe_counter(
        "feed_fallback_total",
        "pages read from the posts, by reason: rebuilding or past_window",
    );
}
