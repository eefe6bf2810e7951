//! What the gateway answers itself: health, the status of the services, the API documents.

mod docs;
mod health;
mod status;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use contracts::access::{Anyone, Member};
use http::Method;
use kit::routes::{Access, Guard, Rate, RouteError, RouteSet, Routes};

use crate::config::DocsAccess;
use crate::docs::Documents;
use crate::probe::Probe;

pub use health::{alias, own};

/// The name under which the gateway appears among the services.
pub const NAME: &str = "gateway";

/// What the gateway's own handlers need.
#[derive(Clone, Default)]
pub struct Own {
    /// The services, in the order in which the host named them.
    pub probes: Arc<[Arc<Probe>]>,
    /// Their API documents.
    pub documents: Arc<Documents>,
}

/// The gateway's own routes.
///
/// # Errors
/// Never, unless the program is wrong: a test builds them.
pub fn routes(state: Own, readers: DocsAccess) -> Result<RouteSet, RouteError> {
    let routes = Routes::new(NAME)
        .route(
            Method::GET,
            "/services/status",
            Access::Optional,
            Rate::General,
            status::show,
        )
        .says("How the services are; admins see the details");
    match readers {
        DocsAccess::Public => documents::<Anyone>(routes, Access::Public),
        DocsAccess::Member => documents::<Member>(routes, Access::Authenticated),
    }
    .build(state)
}

fn documents<G>(routes: Routes<Own>, access: Access) -> Routes<Own>
where
    G: Guard + FromRequestParts<Own> + Send + 'static,
{
    routes
        .route(Method::GET, "/docs", access, Rate::General, docs::page::<G>)
        .says("Read the API documents in a browser")
        .route(
            Method::GET,
            "/docs/{file}",
            access,
            Rate::General,
            docs::file::<G>,
        )
        .says("A file of the page")
        .route(
            Method::GET,
            "/schema",
            access,
            Rate::General,
            docs::merged::<G>,
        )
        .says("The OpenAPI document of all services")
        .route(
            Method::GET,
            "/schema/{service}",
            access,
            Rate::General,
            docs::of_service::<G>,
        )
        .says("The OpenAPI document of one service")
}
