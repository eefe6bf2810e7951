#![doc = include_str!("../README.md")]

mod config;
mod error;
mod events;
pub mod merge;
mod model;
mod routes;
pub mod store;
pub mod validate;

use std::sync::Arc;

use backends::bus::{Bus, Start};
use backends::consumer::{Consumer, Progress};
use backends::{Db, audit, outbox, readiness};
use contracts::{Roster, Verifier, access, topics};
use kit::clock::SharedClock;
use kit::ids::SharedIds;
use kit::metrics::Metrics;
use kit::service::Service;

pub use config::{Config, SECTION};
pub use error::Error;
pub use events::AuthEvents;
pub use model::{Account, Fields, Profile, Standing, shown_name};
pub use routes::api;

use crate::routes::App;
use crate::store::Store;

/// What this service needs of its host.
pub struct Deps {
    /// Its own database; its tables are brought up to date here.
    pub db: Db,
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

/// The service, ready to be hosted.
pub struct Built {
    /// Routes, workers and checks.
    pub service: Service,
    /// How far it follows the accounts, for whoever must know that a change has arrived.
    pub followed: Progress,
}

/// Builds the service.
///
/// # Errors
/// A store or bus that cannot be reached or is newer than this program.
pub async fn build(_: Config, deps: Deps) -> anyhow::Result<Built> {
    let Deps {
        db,
        bus,
        roster,
        verifier,
        clock,
        ids,
        metrics,
    } = deps;
    bus.ensure(&[topics::PROFILE_EVENTS, topics::AUTH_EVENTS])
        .await?;
    let store = Store::open(db.clone(), clock.clone(), ids.clone()).await?;
    let routes = routes::routes(App {
        store: store.clone(),
        roster,
        clock: clock.clone(),
    })?;
    let routes = access::with_verifier(routes, verifier);
    let (accounts, followed) = Consumer {
        name: "profile-auth-events".to_owned(),
        bus: bus.clone(),
        group: "profile".to_owned(),
        topics: vec![topics::AUTH_EVENTS.name.to_owned()],
        start: Start::Committed,
        handler: Arc::new(AuthEvents::new(store.clone())),
        clock: clock.clone(),
        metrics: metrics.clone(),
    }
    .into_worker();
    let workers = vec![
        outbox::relay(db.clone(), bus.clone(), clock.clone(), ids.clone(), metrics),
        audit::chainer(db, clock, ids),
        accounts,
    ];
    let checks = vec![
        readiness::of_store("profile.store", move || {
            let store = store.clone();
            async move { store.check().await }
        }),
        readiness::of_bus(bus),
    ];
    let service = Service {
        name: "profile",
        routes,
        workers,
        checks,
    };
    Ok(Built { service, followed })
}
