//! A gateway out of services.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use contracts::Identity;
use kit::clock::SharedClock;
use kit::metrics::Metrics;
use kit::routes::{Direct, RouteInfo, RouteSet};
use kit::service::{Health, Worker};
use reqwest::Url;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

use crate::client::TrustedProxies;
use crate::config::{Config, DocsAccess};
use crate::docs::Documents;
use crate::gate::Gate;
use crate::hosts::Hosts;
use crate::own::{self, Own};
use crate::probe::{self, Probe, Source, checks};
use crate::rate::RateLimit;
use crate::table::TableBuilder;
use crate::upstream::{self, HttpUpstream, Target, Upstream};

/// How often idle clients are forgotten.
const UPKEEP: Duration = Duration::from_secs(10);

/// A service as the gateway publishes it.
pub struct Published {
    /// Its name, as in `/api/<name>/health`.
    pub name: &'static str,
    /// Its routes.
    pub table: Vec<RouteInfo>,
    /// Their description.
    pub openapi: OpenApi,
    /// Where it runs.
    pub upstream: Upstream,
}

impl Published {
    /// A service of this process. The routes' router must carry its verifier already.
    #[must_use]
    pub fn local(routes: RouteSet, health: Health) -> Self {
        let RouteSet {
            service,
            router,
            direct,
            table,
            openapi,
        } = routes;
        Self {
            name: service,
            table,
            openapi,
            upstream: Upstream::Local(router, direct, health),
        }
    }

    /// A service at this base address; of its routes only the description is used.
    #[must_use]
    pub fn at(base: Url, routes: RouteSet) -> Self {
        let RouteSet {
            service,
            table,
            openapi,
            ..
        } = routes;
        Self {
            name: service,
            table,
            openapi,
            upstream: Upstream::Http(base),
        }
    }
}

/// What the gateway needs.
pub struct GatewayDeps {
    /// Who decides about identity.
    pub identity: Arc<dyn Identity>,
    /// The services, in the order in which the status page and the documents show them.
    pub services: Vec<Published>,
    /// The time the limits count by.
    pub clock: SharedClock,
    /// Where upstream failures are counted.
    pub metrics: Metrics,
}

/// A gateway, ready to be hosted by a [`Server`](kit::server::Server).
#[derive(Debug)]
pub struct Gateway {
    /// Answers everything.
    pub app: Direct,
    /// Asks the services how they are and forgets idle clients.
    pub workers: Vec<Worker>,
}

/// Builds the gateway of these services.
///
/// # Errors
/// When two services answer the same or TLS cannot be set up. The message names what.
pub fn build(config: Config, deps: GatewayDeps) -> anyhow::Result<Gateway> {
    let mut table = TableBuilder::default();
    let mut probes = Vec::with_capacity(deps.services.len());
    let mut client = None;
    for service in &deps.services {
        let (target, alias, source) = match &service.upstream {
            Upstream::Local(router, _, health) => (
                Target::Local(router.clone()),
                Target::Local(health.api_router()),
                Source::Local(health.clone()),
            ),
            Upstream::Http(base) => {
                let client = match &client {
                    Some(client) => reqwest::Client::clone(client),
                    None => client.insert(upstream::client()?).clone(),
                };
                let patience = Duration::from_secs(config.upstream_timeout);
                let elsewhere = HttpUpstream::new(
                    service.name,
                    base,
                    client,
                    patience,
                    deps.clock.clone(),
                    &deps.metrics,
                );
                (
                    Target::Http(elsewhere.clone()),
                    Target::Http(elsewhere.clone()),
                    Source::Http(elsewhere),
                )
            }
        };
        for (at, info) in service.table.iter().enumerate() {
            table.add(info, &own_target(&service.upstream, at, &target))?;
        }
        let info = own::alias(service.name);
        if !table.has(&info.path) {
            table.add(&info, &alias)?;
        }
        probes.push(Arc::new(Probe::new(
            service.name,
            source,
            deps.clock.clone(),
        )));
    }
    let probes: Arc<[Arc<Probe>]> = probes.into();
    add_own(&mut table, &config, &deps, &probes)?;
    let gate = Arc::new(Gate {
        table: table.build()?,
        identity: deps.identity,
        rate: RateLimit::new(config.rate_limit, config.rate_burst, deps.clock),
        proxies: TrustedProxies::new(config.trusted_proxies),
        hosts: Hosts::new(&config.hosts),
    });
    let remembered = deps.metrics.gauge("gateway_rate_clients", &[]);
    let workers = vec![upkeep(gate.rate.clone(), remembered), probe::watch(probes)];
    let app = Direct::new(move |req| {
        let gate = gate.clone();
        async move { gate.answer(req).await }
    });
    Ok(Gateway { app, workers })
}

/// Who answers the route at this place of a service's table.
fn own_target(upstream: &Upstream, at: usize, target: &Target) -> Target {
    match upstream {
        Upstream::Local(router, direct, _) => match direct.get(at) {
            Some(Some(direct)) => Target::Direct(direct.clone(), router.clone()),
            _ => target.clone(),
        },
        Upstream::Http(_) => target.clone(),
    }
}

/// The API documents of these services and of the gateway itself: what `/api/schema` answers.
///
/// # Errors
/// When one cannot be written: a mistake in the program.
pub fn documents(
    services: &[(&'static str, &OpenApi)],
    readers: DocsAccess,
) -> anyhow::Result<Documents> {
    // The documents describe the routes that show them, so those are described first and made afterwards.
    let own = own::routes(Own::default(), readers)?.openapi;
    let all: Vec<_> = services
        .iter()
        .copied()
        .chain([(own::NAME, &own)])
        .collect();
    Documents::new(&all).context("the API documents cannot be written")
}

/// Adds what the gateway answers itself, which is documented like any service.
fn add_own(
    table: &mut TableBuilder,
    config: &Config,
    deps: &GatewayDeps,
    probes: &Arc<[Arc<Probe>]>,
) -> anyhow::Result<()> {
    let described: Vec<_> = deps
        .services
        .iter()
        .map(|service| (service.name, &service.openapi))
        .collect();
    let documents = Arc::new(documents(&described, config.docs)?);
    let routes = own::routes(
        Own {
            probes: probes.clone(),
            documents,
        },
        config.docs,
    )?;
    let target = Target::Local(routes.router);
    for info in &routes.table {
        table.add(info, &target)?;
    }
    let health = Health::new(own::NAME, checks(probes), deps.clock.clone());
    let target = Target::Local(health.router());
    for info in own::own() {
        table.add(&info, &target)?;
    }
    Ok(())
}

/// Keeps memory free of clients that went away.
fn upkeep(rate: RateLimit, remembered: metrics::Gauge) -> Worker {
    Worker::new("gateway upkeep", |stop: CancellationToken| async move {
        let mut turn = tokio::time::interval(UPKEEP);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(turn.tick()).await.is_some() {
            rate.forget_idle();
            remembered.set(rate.clients() as f64);
        }
        Ok(())
    })
}
