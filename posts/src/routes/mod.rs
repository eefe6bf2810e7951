//! The route table.

mod bodies;
mod create;
mod edit;
mod headers;
mod internal;
pub(crate) mod list;
mod read;

use std::sync::Arc;

use contracts::clients::Posts;
use http::Method;
use kit::routes::{Access, Api, Rate, RouteError, RouteSet, Routes};

use crate::audience::Rules;
use crate::store::Store;

/// What handlers share.
#[derive(Clone)]
pub struct App {
    /// Where posts are kept.
    pub store: Arc<dyn Store>,
    /// Who may read and write what.
    pub rules: Rules,
    /// What other services ask, answered here.
    pub client: Arc<dyn Posts>,
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

fn table() -> Routes<App> {
    Routes::new("posts")
        .route(Method::POST, "/posts", Access::Authenticated, Rate::General, create::create)
        .says("Publish a post")
        .route(Method::GET, "/posts", Access::Optional, Rate::General, list::list)
        .says("List the posts the caller reads, newest first: an array, or a page where `cursor` is given, even empty")
        .route(Method::GET, "/posts/{id}", Access::Optional, Rate::General, read::read)
        .says("Read one post")
        .route(Method::PUT, "/posts/{id}", Access::Authenticated, Rate::General, edit::edit)
        .says("Change a post")
        .route(Method::DELETE, "/posts/{id}", Access::Authenticated, Rate::General, edit::delete)
        .says("Delete a post")
        .route(Method::GET, "/internal/posts/export", Access::Internal, Rate::Exempt, internal::export)
        .says("Everything there is, one JSON object a line")
        .route(Method::POST, "/internal/posts/page", Access::Internal, Rate::Exempt, internal::page)
        .says("A page on a reader's behalf")
        .route(Method::GET, "/internal/posts/{id}", Access::Internal, Rate::Exempt, internal::find)
        .says("One published post, whatever its audience")
}
