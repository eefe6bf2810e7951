//! What is known of a route besides its handler.

use http::Method;

use super::direct::Direct;

/// What the gateway asks of the identity before the route is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Never routed by the gateway; another service calls it with a service token.
    Internal,
    /// Nobody is asked who the caller is.
    Public,
    /// A caller may be anonymous; a credential that is presented must be good.
    Optional,
    /// The caller must be known.
    Authenticated,
}

/// Whether a request counts in the limit per client address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rate {
    /// It counts.
    General,
    /// It does not; the route has a limit of its own or needs none.
    Exempt,
}

/// Whom an access extractor lets in, as far as it must agree with the route's [`Access`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GuardKind {
    /// Also somebody unknown: on `Public` and `Optional` routes.
    Open,
    /// A known person: on `Authenticated` routes.
    Person,
    /// Another service: on `Internal` routes.
    Service,
}

impl GuardKind {
    pub(crate) fn stands_on(self, access: Access) -> bool {
        match self {
            Self::Open => matches!(access, Access::Public | Access::Optional),
            Self::Person => access == Access::Authenticated,
            Self::Service => access == Access::Internal,
        }
    }
}

/// An access extractor: an extractor that proves who may call the route. It is the first argument of every handler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say who may call this route",
    label = "the first argument of a handler must be an access extractor"
)]
pub trait Guard {
    /// Its name in the routes table, for example `anyone`.
    const NAME: &'static str;
    /// Whom it lets in.
    const KIND: GuardKind;
}

/// A route as the gateway and the tests see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteInfo {
    /// The service that answers.
    pub service: &'static str,
    /// The method; none means every method.
    pub method: Option<Method>,
    /// The path template: `/api/things/{id}` or `/internal/..`.
    pub path: String,
    /// What the gateway asks of the identity.
    pub access: Access,
    /// Whether it counts in the limit per client address.
    pub rate: Rate,
    /// The name of its access extractor.
    pub guard: &'static str,
    /// What it does, in a few words.
    pub summary: String,
    /// The most bytes its body may have, where that differs from the server's limit.
    pub body_limit: Option<usize>,
    /// Whether its requests are logged at debug only.
    pub quiet: bool,
}

/// The routes of a service as data, made by [`Routes::describe`](super::Routes::describe) without running it.
#[derive(Clone)]
pub struct Api {
    /// The service's name.
    pub service: &'static str,
    /// The routes, in the order of their registration.
    pub table: Vec<RouteInfo>,
    /// The same routes as OpenAPI 3.1, without the internal ones.
    pub openapi: utoipa::openapi::OpenApi,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api")
            .field("service", &self.service)
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

/// The routes of a service, made by [`Routes::build`](super::Routes::build).
#[derive(Clone)]
pub struct RouteSet {
    /// The service's name.
    pub service: &'static str,
    /// Answers the routes, at `/api/..` and `/internal/..`. It has no fallback, so that routers can be merged.
    pub router: axum::Router,
    /// The same routes one by one, in the order of the table, for who has matched the path already. None where the path
    /// has variables, which only the router reads, or the route has a limit of its own for bodies.
    pub direct: Vec<Option<Direct>>,
    /// The same routes as data, in the order of their registration.
    pub table: Vec<RouteInfo>,
    /// The same routes as OpenAPI 3.1, without the internal ones.
    pub openapi: utoipa::openapi::OpenApi,
}

impl std::fmt::Debug for RouteSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RouteSet")
            .field("service", &self.service)
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}
