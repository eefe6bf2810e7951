//! The route table.

mod bodies;
mod headers;
mod names;
mod own;

use std::sync::Arc;

use contracts::Roster;
use http::Method;
use kit::clock::SharedClock;
use kit::routes::{Access, Api, Rate, RouteError, RouteSet, Routes};

use crate::store::Store;

/// What handlers share.
#[derive(Clone)]
pub struct App {
    /// Where profiles are kept.
    pub store: Store,
    /// Who belongs to what.
    pub roster: Arc<dyn Roster>,
    /// Which day it is.
    pub clock: SharedClock,
}

/// Every route of this service.
///
/// # Errors
/// A contradiction in the table.
pub fn routes(app: App) -> Result<RouteSet, RouteError> {
    table().build(app)
}

/// The same as data, without running the service.
///
/// # Errors
/// A contradiction in the table.
pub fn api() -> Result<Api, RouteError> {
    table().describe()
}

/// Most bytes of a body (spec/profile.md section 6).
const BODY_MAX: usize = 64 * 1024;

fn table() -> Routes<App> {
    Routes::new("profile")
        .route(
            Method::POST,
            "/profile",
            Access::Authenticated,
            Rate::General,
            own::create,
        )
        .says("Fill in one's own profile")
        .body_limit(BODY_MAX)
        .route(
            Method::GET,
            "/profile",
            Access::Authenticated,
            Rate::General,
            own::read,
        )
        .says("Read one's own profile; with `ids`, what these people are called")
        .route(
            Method::PUT,
            "/profile",
            Access::Authenticated,
            Rate::General,
            own::change,
        )
        .says("Change one's own profile: what is absent stays, what is null is cleared")
        .body_limit(BODY_MAX)
        .route(
            Method::DELETE,
            "/profile",
            Access::Authenticated,
            Rate::General,
            own::delete,
        )
        .says("Delete one's own profile")
        .route(
            Method::GET,
            "/profile/{user_id}",
            Access::Authenticated,
            Rate::General,
            names::one,
        )
        .says("What a person is called")
}
