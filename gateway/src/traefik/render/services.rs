//! Who answers.

use std::collections::BTreeSet;

use super::super::model::{Name, Reference, Service, ServiceKind, Transport, Unwritable};
use super::chain;
use super::classes::Routes;
use super::{AUTH, GATEWAY, Settings};
use crate::traefik::trust::Trust;

/// The instances of a service, with one breaker before them for all routers.
pub(super) fn name_of(service: &str) -> Result<Name, Unwritable> {
    Name::new(&format!("to-{service}"))
}

/// Nobody: 503.
pub(super) fn nobody() -> Name {
    Name::fixed("nobody")
}

/// Who gives the answers that take the place of Traefik's own: the gateway's process, by way of the entry point `internal`.
/// It is always there, so that a middleware that needs it is; a middleware that needs what is away takes its routers along.
pub(super) fn problems() -> Name {
    Name::fixed("problems")
}

fn transport() -> Name {
    Name::fixed("internal")
}

pub(super) fn transports(trust: Option<&Trust>) -> Vec<Transport> {
    let transport = trust.map(|trust| Transport {
        name: transport(),
        authority: trust.authority.clone(),
    });
    transport.into_iter().collect()
}

pub(super) fn all(
    settings: &Settings,
    classes: &[&Routes],
    trust: Option<&Trust>,
) -> Result<Vec<Service>, Unwritable> {
    let named = classes.iter().map(|routes| routes.class.service);
    let names: BTreeSet<&str> = named.chain([AUTH, GATEWAY]).collect();
    let mut services = Vec::with_capacity(names.len() + 2);
    for name in names {
        services.push(Service {
            name: name_of(name)?,
            middlewares: vec![chain::breaker(), chain::retry()],
            kind: ServiceKind::Passes(Reference::catalog(name)?),
        });
    }
    services.push(Service {
        name: problems(),
        middlewares: Vec::new(),
        kind: ServiceKind::Server {
            address: settings.internal.clone(),
            transport: trust.map(|_| transport()),
        },
    });
    services.push(Service {
        name: nobody(),
        middlewares: Vec::new(),
        kind: ServiceKind::Nobody,
    });
    Ok(services)
}
