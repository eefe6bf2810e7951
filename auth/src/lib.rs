#![doc = include_str!("../README.md")]

mod accounts;
mod config;
mod decision;
mod device;
mod error;
mod instances;
mod limits;
mod links;
mod lockout;
mod login;
mod memory;
mod model;
mod names;
pub mod password;
mod rotation;
mod routes;
mod search;
mod secrets;
mod setup_file;
mod state;
mod store;
mod tls;
mod tokens;
mod turnstile;
mod window;
mod workers;

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use backends::{audit, bus::Bus, db::Db, idempotency, outbox, readiness};
use contracts::{Identity, InternalCa, Verifier, topics};
use kit::{SharedClock, SharedIds, metrics::Metrics, service::Service, token::KeyRing};

pub use accounts::{Accounts, Person};
pub use config::{Config, Registration, SECTION};
pub use routes::api;
pub use tls::TlsAddress;
pub use tokens::ISSUER;

use crate::{
    instances::{Joined, Place},
    limits::Limits,
    links::LinkKeys,
    password::PasswordRules,
    state::Auth,
    store::Store,
    tls::{Authorities, Keeper, Seals},
    turnstile::Turnstile,
};

/// What the host hands in.
pub struct Deps {
    /// The store; migrated by [`build`], which claims it as well.
    pub db: Db,
    /// Where events go.
    pub bus: Arc<dyn Bus>,
    /// Signs and verifies tokens.
    pub keys: KeyRing,
    /// What the routes' extractors verify bearer tokens with; made of the same keys.
    pub verifier: Verifier,
    /// The time.
    pub clock: SharedClock,
    /// Ids and secrets.
    pub ids: SharedIds,
    /// Counters.
    pub metrics: Metrics,
    /// Where the setup token is written as long as there is no administrator; none: there is no setup by token.
    pub data_dir: Option<PathBuf>,
}

/// What the host gets.
pub struct Built {
    /// Routes, workers and checks.
    pub service: Service,
    /// The forward-auth decision, for a gateway in the same process.
    pub client: Arc<dyn Identity>,
    /// What vouches for the internal TLS address, for a gateway in the same process.
    pub internal_ca: Arc<dyn InternalCa>,
    /// The internal TLS address, where `auth.tls_listen` names one; the host opens it.
    pub tls: Option<TlsAddress>,
    /// For `admin create` and the demo.
    pub accounts: Accounts,
}

/// Builds the service: migrates and loads the store, and writes the setup token if there is no administrator.
///
/// # Errors
/// A setting out of bounds, or a store, bus or data directory that does not answer.
pub async fn build(config: Config, deps: Deps) -> anyhow::Result<Built> {
    let place = Place::of(&config)?;
    build_at(place, config, deps).await
}

/// Opens the accounts for a command, beside servers that run or without any. What it makes is seen by all of them: what changed
/// takes a number as every change does, and what is new is looked up. It does nothing that is a server's to do: it writes
/// neither the credentials of services nor a setup token, and needs no broker.
///
/// # Errors
/// As [`build`].
pub async fn open(config: Config, deps: Deps) -> anyhow::Result<Accounts> {
    // a command listens nowhere, so it needs no certificate either
    let config = Config {
        tls_listen: String::new(),
        ..config
    };
    Ok(build_at(Place::Guest, config, deps).await?.accounts)
}

async fn build_at(place: Place, config: Config, deps: Deps) -> anyhow::Result<Built> {
    config.check().map_err(anyhow::Error::msg)?;
    let serves = !matches!(place, Place::Guest);
    let place = place.take(&deps.db).await?;
    let store = Store::open(deps.db.clone(), deps.clock.clone(), deps.ids.clone())
        .await
        .context("auth: the store")?;
    let Joined {
        store,
        windows,
        workers: instance_workers,
        check: instance_check,
    } = place
        .join(store, &deps.ids, &deps.metrics)
        .await
        .context("auth: the store")?;
    let credentials = config.credentials().map_err(anyhow::Error::msg)?;
    if serves {
        store
            .sync_credentials(&credentials)
            .await
            .context("auth: the service credentials")?;
        deps.bus
            .ensure(&[topics::AUTH_EVENTS, topics::AUTH_SIGNALS])
            .await
            .context("auth: the topics")?;
    }
    let authorities = Authorities::new(
        store.clone(),
        Seals::of(&deps.keys)?,
        deps.clock.clone(),
        deps.ids.clone(),
    );
    let listen = config.tls_listen().map_err(anyhow::Error::msg)?;
    let names = config.tls_names.clone();
    let limits = Limits::new(windows, &deps.keys, deps.ids.clone());
    let auth = Auth::new(state::Inner {
        authorities: authorities.clone(),
        hasher: config
            .hasher()
            .counting(deps.metrics.counter("auth_password_hashes_total", &[])),
        rules: PasswordRules::new(config.password_min, config.password_denylist),
        failed_logins: limits.per_minute("failed logins", config.failed_logins_per_minute),
        registers: limits.per_minute("registrations", config.registers_per_minute),
        turnstile: Turnstile::default(),
        setup_file: deps.data_dir.map(|dir| dir.join(setup_file::NAME)),
        links: LinkKeys::of(&deps.keys),
        keys: deps.keys,
        clock: deps.clock.clone(),
        ids: deps.ids.clone(),
        store: store.clone(),
        config,
    });
    if serves {
        auth.prepare_setup()
            .await
            .context("auth: the setup token")?;
    }
    let routes = contracts::access::with_verifier(routes::routes(auth.clone())?, deps.verifier);
    let bus = deps.bus.clone();
    let check_store = store.clone();
    let mut checks = vec![
        readiness::of_store("auth.store", move || {
            let store = check_store.clone();
            async move { store.check().await }
        }),
        readiness::of_bus(bus),
    ];
    checks.extend(instance_check);
    let mut tls = None;
    let mut keeping = None;
    if let Some(listen) = listen {
        let keeper = Keeper::start(authorities, names.clone(), deps.clock.clone())
            .await
            .context("auth: the certificate of auth.tls_listen")?;
        let router = tls::router(&auth, checks.clone(), deps.clock.clone())?;
        tls = Some(TlsAddress::new(listen, names, keeper.tls(), router));
        keeping = Some(keeper.worker());
    }
    let mut service = Service {
        name: "auth",
        routes,
        workers: vec![
            outbox::relay(
                deps.db.clone(),
                deps.bus,
                deps.clock.clone(),
                deps.ids.clone(),
                deps.metrics.clone(),
            ),
            audit::chainer(deps.db.clone(), deps.clock.clone(), deps.ids),
            audit::watcher(deps.db.clone(), deps.metrics),
            idempotency::sweeper(deps.db, deps.clock),
            workers::last_seen(store.clone()),
            workers::sweeper(store),
        ],
        checks,
    };
    service.workers.extend(keeping);
    service.workers.extend(instance_workers);
    Ok(Built {
        service,
        client: Arc::new(auth.clone()),
        internal_ca: Arc::new(auth.clone()),
        tls,
        accounts: Accounts::new(auth),
    })
}
