//! The gateway's own process behind Traefik: status, API documents, the answers for whom nobody answers, and the keeping of
//! the keys. Whoever calls it has been let in by Traefik, as with any other service.

mod problems;
mod unrouted;

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use contracts::Verifier;
use contracts::access::with_verifier;
use kit::clock::SharedClock;
use kit::consul::{Catalog, KeyValue};
use kit::metrics::Metrics;
use kit::routes::{Api, RouteInfo};
use kit::service::Service;

use super::model::Address;
use super::reconcile::{Reconciler, Sources, State};
use super::render::{Routing, Settings};
use super::trust::Authority;
use crate::config::Config;
use crate::hosts::Hosts;
use crate::instances::Instances;
use crate::own::{self, Own};
use crate::probe::{self, Probe, Source};
use crate::table::TableBuilder;
use unrouted::Unrouted;

/// What the gateway behind Traefik needs.
#[derive(Debug)]
pub struct BehindDeps {
    /// The services that Traefik routes to, in the order in which the status page and the documents show them.
    pub services: Vec<Api>,
    /// Verifies who asks for the status.
    pub verifier: Verifier,
    /// Where the keys stand, with a token that may write `traefik/`.
    pub keys: Arc<dyn KeyValue>,
    /// Who answers where.
    pub catalog: Arc<dyn Catalog>,
    /// Whom forward-auth believes.
    pub authority: Arc<dyn Authority>,
    /// The most bytes of a body where its route says nothing else (`server.body_limit`).
    pub body_limit: usize,
    /// The time by which answers are remembered.
    pub clock: SharedClock,
    /// Where it is counted how the keys are.
    pub metrics: Metrics,
}

/// The gateway behind Traefik, ready to be hosted like any service.
#[derive(Debug)]
pub struct Behind {
    /// Its routes, its work and what it needs. Its name in Consul must be its name here.
    pub service: Service,
    /// What Traefik itself asks it for: to be merged with the service's router, without an access extractor.
    pub pages: Router,
    /// How the keys are.
    pub state: State,
}

/// Builds the gateway that tells Traefik what to route.
///
/// # Errors
/// When two services answer the same, or Traefik cannot be told a route or a setting. The message names it.
pub fn behind_traefik(config: &Config, deps: BehindDeps) -> anyhow::Result<Behind> {
    let instances = Instances::new(deps.catalog.clone())?;
    let probes = deps.services.iter().map(|api| {
        let source = Source::Catalog(instances.clone());
        Arc::new(Probe::new(api.service, source, deps.clock.clone()))
    });
    let probes: Arc<[Arc<Probe>]> = probes.collect();
    let described: Vec<_> = deps
        .services
        .iter()
        .map(|api| (api.service, &api.openapi))
        .collect();
    let documents = Arc::new(crate::documents(&described, config.docs)?);
    let own = Own {
        probes: probes.clone(),
        documents,
    };
    let routes = with_verifier(own::routes(own, config.docs)?, deps.verifier);

    let table = whole_table(&deps.services, &routes.table);
    let mut known = TableBuilder::default();
    for info in &table {
        known.add(info, &())?;
    }
    let unrouted = Unrouted {
        table: known.build()?,
        hosts: Hosts::new(&config.hosts),
    };
    let settings = settings(config, deps.body_limit)?;
    let routing = Routing::new(settings, &table).context("the routes table")?;
    let from = Sources {
        keys: deps.keys,
        catalog: deps.catalog,
        authority: deps.authority,
    };
    let reconciler = Reconciler::new(routing, from, &deps.metrics);
    let state = reconciler.state();

    let mut checks = probe::checks(&probes);
    checks.push(state.check());
    let mut workers = reconciler.workers();
    workers.push(probe::watch(probes));
    Ok(Behind {
        service: Service {
            name: own::NAME,
            routes,
            workers,
            checks,
        },
        pages: unrouted.router().merge(problems::router()),
        state,
    })
}

/// All that the gateway in one process would answer.
fn whole_table(services: &[Api], own: &[RouteInfo]) -> Vec<RouteInfo> {
    let mut table: Vec<RouteInfo> = Vec::new();
    for api in services {
        table.extend(api.table.iter().cloned());
        let health = own::alias(api.service);
        if !table.iter().any(|info| info.path == health.path) {
            table.push(health);
        }
    }
    table.extend(own.iter().cloned());
    table.extend(own::own());
    table
}

fn settings(config: &Config, body_limit: usize) -> anyhow::Result<Settings> {
    let internal = Address::new(&config.traefik_internal).context("gateway.traefik_internal")?;
    Ok(Settings {
        hosts: config.hosts.clone(),
        rate_limit: config.rate_limit.get(),
        rate_burst: config.rate_burst.get(),
        in_flight: config.in_flight.get(),
        proxies: config.proxies_before_traefik,
        internal,
        body_limit,
    })
}
