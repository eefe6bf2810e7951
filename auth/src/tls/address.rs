//! What is served at the internal TLS address.

use std::net::SocketAddr;

use axum::Router;
use contracts::TlsDoor;
use kit::{
    SharedClock,
    routes::RouteError,
    server::{Door, Edge, Server, Tls},
    service::{Check, Health},
};
use tokio::net::TcpListener;

use crate::{routes, state::Auth};

/// The internal TLS address, for the host to open: `Server::run_with(.., vec![address.door(listener, edge)], ..)`.
#[derive(Debug)]
pub struct TlsAddress {
    /// Where to listen (`auth.tls_listen`).
    pub listen: SocketAddr,
    names: Vec<String>,
    tls: Tls,
    router: Router,
}

impl TlsAddress {
    pub(crate) fn new(listen: SocketAddr, names: Vec<String>, tls: Tls, router: Router) -> Self {
        Self {
            listen,
            names,
            tls,
            router,
        }
    }

    /// What the catalog is to say of it.
    #[must_use]
    pub fn told(&self) -> TlsDoor {
        TlsDoor {
            port: self.listen.port(),
            names: self.names.clone(),
        }
    }

    /// Opens it at a listener, with the edge of the server it belongs to.
    #[must_use]
    pub fn door(self, listener: TcpListener, edge: Edge) -> Door {
        Server::new("auth", self.router, edge)
            .at(listener)
            .with_tls(self.tls)
    }
}

/// The forward-auth decision and the health, and nothing else: this address is for a gateway's questions, and a client who
/// got there through a mistake in its routing finds no login and no internal route.
///
/// # Errors
/// A mistake in the table, which this crate's tests exclude.
pub fn router(auth: &Auth, checks: Vec<Check>, clock: SharedClock) -> Result<Router, RouteError> {
    let decision = routes::decision(auth.clone())?;
    Ok(decision
        .router
        .merge(Health::new("auth", checks, clock).router()))
}
