#![doc = include_str!("../README.md")]

pub mod audience;
mod client;
mod config;
mod error;
mod events;
mod model;
mod routes;
pub mod store;
pub mod validate;

use std::sync::Arc;
use std::time::Duration;

use backends::bus::{Bus, Start};
use backends::{consumer, readiness};
use contracts::{Posts, Roster, Verifier, access, topics};
use kit::clock::SharedClock;
use kit::ids::SharedIds;
use kit::metrics::Metrics;
use kit::service::{Service, Worker};

pub use client::LocalPosts;
pub use config::{Config, SECTION};
pub use error::Error;
pub use events::AuthEvents;
pub use model::{FORMER_MEMBER, Moderation, Post, Text};
pub use routes::api;

use crate::audience::Rules;
use crate::routes::App;
use crate::store::{Storage, Store};

/// What this service needs of its host.
pub struct Deps {
    /// Its own store, from [`store::open`]; its tables or indexes are brought up to date here.
    pub store: Storage,
    /// Where events go and come from.
    pub bus: Arc<dyn Bus>,
    /// Who belongs to what.
    pub roster: Arc<dyn Roster>,
    /// Proves callers that come with a bearer token.
    pub verifier: Verifier,
    /// The time.
    pub clock: SharedClock,
    /// Chance.
    pub ids: SharedIds,
    /// Where measurements go.
    pub metrics: Metrics,
}

/// The service, ready to be hosted, and how other services in the process ask it.
pub struct Built {
    /// Routes, workers and checks.
    pub service: Service,
    /// `contracts::Posts`, answered here.
    pub client: Arc<dyn Posts>,
}

/// Builds the service.
///
/// # Errors
/// Settings that contradict each other; a store or bus that cannot be reached or is newer than this program.
pub async fn build(config: Config, deps: Deps) -> anyhow::Result<Built> {
    config.check()?;
    let Deps {
        store,
        bus,
        roster,
        verifier,
        clock,
        ids,
        metrics,
    } = deps;
    bus.ensure(&[topics::POSTS_EVENTS, topics::AUTH_EVENTS])
        .await?;
    let (store, mut workers) = store
        .start(bus.clone(), clock.clone(), ids, metrics.clone())
        .await?;
    let rules = Rules::new(roster, config);
    let client: Arc<dyn Posts> = Arc::new(LocalPosts::new(store.clone(), rules.clone()));
    let routes = routes::routes(App {
        store: store.clone(),
        rules,
        client: client.clone(),
    })?;
    let routes = access::with_verifier(routes, verifier);
    workers.extend([
        consumer::worker(
            "posts-auth-events",
            bus.clone(),
            "posts",
            [topics::AUTH_EVENTS.name],
            Start::Committed,
            Arc::new(AuthEvents::new(store.clone())),
            clock.clone(),
            metrics,
        ),
        text_sweeper(store.clone(), clock),
    ]);
    let checks = vec![
        readiness::of_store("posts.store", move || {
            let store = store.clone();
            async move { store.check().await }
        }),
        readiness::of_bus(bus),
    ];
    Ok(Built {
        service: Service {
            name: "posts",
            routes,
            workers,
            checks,
        },
        client,
    })
}

/// Drops deleted texts whose time has come, at start and every hour.
fn text_sweeper(store: Arc<dyn Store>, clock: SharedClock) -> Worker {
    Worker::new("posts-text-sweeper", move |stop| async move {
        let mut hourly = tokio::time::interval(Duration::from_secs(3600));
        while stop.run_until_cancelled(hourly.tick()).await.is_some() {
            match store.drop_texts(clock.now()).await {
                Ok(0) => {}
                Ok(dropped) => tracing::info!(dropped, "texts of deleted posts were dropped"),
                Err(error) => tracing::warn!(%error, "texts of deleted posts could not be dropped"),
            }
        }
        Ok(())
    })
}
