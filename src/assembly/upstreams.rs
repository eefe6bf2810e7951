//! How the services that were built here are reached: behind the gateway, or at their own listener.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use contracts::access::ClientAddress;
use gateway::{Published, TrustedProxies, Upstream};
use kit::SharedClock;
use kit::routes::Api;
use kit::server::{Edge, service_router};
use kit::service::{Health, Service, Worker};

use super::Plan;

/// Routers for a process without a gateway: one service, or several that share a listener.
pub(super) fn alone(
    mut services: Vec<Service>,
    edge: &Edge,
    workers: &mut Vec<Worker>,
) -> (&'static str, Router) {
    let Some(first) = services.first().map(|service| service.name) else {
        return ("nothing", Router::new());
    };
    let rest = services.split_off(1);
    let mut service = services.remove(0);
    let mut more = Router::new();
    for other in rest {
        more = more.merge(other.routes.router);
        service.workers.extend(other.workers);
        service.checks.extend(other.checks);
    }
    let (router, own) = service_router(service, edge);
    workers.extend(own);
    (first, router.merge(more))
}

/// Notes where a request comes from when a trusted proxy, ours or another, stands before a service that runs alone.
pub(super) fn client_address(proxies: &TrustedProxies, request: &mut Request) {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|info| info.0.ip());
    let address = peer.map(|peer| proxies.client(peer, request.headers()));
    request.extensions_mut().insert(ClientAddress(address));
}

/// Everything the gateway publishes: the services built here as routers, the others at their addresses.
pub(super) fn published(
    services: Vec<Service>,
    plan: &Plan,
    clock: &SharedClock,
    workers: &mut Vec<Worker>,
) -> anyhow::Result<Vec<Published>> {
    let mut local = BTreeMap::new();
    for service in services {
        workers.extend(service.workers);
        let health = Health::new(service.name, service.checks, clock.clone());
        local.insert(service.name, Published::local(service.routes, health));
    }
    let peers = [
        ("auth", &plan.peers.auth),
        ("profile", &plan.peers.profile),
        ("posts", &plan.peers.posts),
        ("feed", &plan.peers.feed),
    ];
    peers
        .into_iter()
        .map(|(name, url)| match local.remove(name) {
            Some(local) => Ok(local),
            None => {
                let Api {
                    service,
                    table,
                    openapi,
                } = api(name)?;
                Ok(Published {
                    name: service,
                    table,
                    openapi,
                    upstream: Upstream::Http(url.parse()?),
                })
            }
        })
        .collect()
}

/// The services that have routes, in the order in which documents show them.
pub const SERVICES: [&str; 4] = ["auth", "profile", "posts", "feed"];

/// A service's routes as data, without running it.
///
/// # Errors
/// A contradiction in its table, which its own tests exclude.
pub fn api(service: &str) -> anyhow::Result<Api> {
    Ok(match service {
        "auth" => auth::api()?,
        "profile" => profile::api()?,
        "posts" => posts::api()?,
        "feed" => feed::api()?,
        _ => anyhow::bail!("there is no service {service} with routes"),
    })
}
