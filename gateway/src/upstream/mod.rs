//! Who answers a route: a router of this process, or a service elsewhere.

mod remote;

use std::fmt;

use axum::Router;
use kit::routes::Direct;
use kit::service::Health;
use reqwest::Url;

pub use self::remote::{HttpUpstream, client};

/// Where a service runs, as the host says.
pub enum Upstream {
    /// In this process: its router and, in the order of its table, the routes one by one; with its health, which the
    /// status page and `/api/<service>/health` show.
    Local(Router, Vec<Option<Direct>>, Health),
    /// Elsewhere, at this base address, e.g. `http://posts:5000`; it answers `/health` and `/health/ready` itself.
    Http(Url),
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(_, _, health) => f.debug_tuple("Local").field(&health.name()).finish(),
            Self::Http(url) => f.debug_tuple("Http").field(&url.as_str()).finish(),
        }
    }
}

/// The same, ready to be called. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Target {
    /// Calls the router.
    Local(Router),
    /// Calls the route itself; for `HEAD` the router, which leaves the body out.
    Direct(Direct, Router),
    /// Sends the request on.
    Http(HttpUpstream),
}
