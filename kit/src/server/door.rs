//! Where a server listens.

use tokio::net::TcpListener;

use super::edge::Server;
use super::tls::Tls;

/// A listener with what answers there. A server may have several: each its own app, plain or over TLS, and all open and
/// close together.
#[derive(Debug)]
pub struct Door {
    pub(super) server: Server,
    pub(super) listener: TcpListener,
    pub(super) tls: Option<Tls>,
}

impl Server {
    /// This server at a listener, HTTP/1.1 without TLS.
    #[must_use]
    pub fn at(self, listener: TcpListener) -> Door {
        Door {
            server: self,
            listener,
            tls: None,
        }
    }
}

impl Door {
    /// Over TLS only: HTTP/2 where the client offers it, else HTTP/1.1. Whoever speaks without TLS is not answered.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        Self {
            tls: Some(tls),
            ..self
        }
    }
}
