//! `/health` of the gateway and `/api/<service>/health` of the services. They are in no routes table: every service has
//! them, whatever its routes are.

use http::Method;
use kit::routes::{Access, Rate, RouteInfo};

/// The gateway's own health.
#[must_use]
pub fn own() -> [RouteInfo; 2] {
    ["/health", "/health/ready"].map(|path| info(super::NAME, path.to_owned()))
}

/// A service's health as it is asked for through the gateway.
#[must_use]
pub fn alias(service: &'static str) -> RouteInfo {
    info(service, format!("/api/{service}/health"))
}

fn info(service: &'static str, path: String) -> RouteInfo {
    RouteInfo {
        service,
        method: Some(Method::GET),
        path,
        access: Access::Public,
        rate: Rate::Exempt,
        guard: "Anyone",
        summary: String::new(),
        body_limit: Some(0),
        quiet: true,
    }
}
