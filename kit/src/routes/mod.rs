//! The one builder of routes: it makes the router, the OpenAPI document and the routes table of a service.
//!
//! A handler is an async function whose **first argument is an access extractor** (a [`Guard`]):
//!
//! ```
//! # use kit::routes::{Access, Guard, GuardKind, Rate, Routes};
//! # use axum::extract::FromRequestParts;
//! # struct Anyone;
//! # impl<S: Sync> FromRequestParts<S> for Anyone {
//! #     type Rejection = kit::Problem;
//! #     async fn from_request_parts(_: &mut http::request::Parts, _: &S) -> Result<Self, kit::Problem> { Ok(Self) }
//! # }
//! impl Guard for Anyone {
//!     const NAME: &'static str = "anyone";
//!     const KIND: GuardKind = GuardKind::Open;
//! }
//! async fn hello(_: Anyone) -> kit::Json<String> {
//!     kit::Json("hello".to_owned())
//! }
//! let set = Routes::new("greeter")
//!     .route(http::Method::GET, "/hello", Access::Public, Rate::General, hello)
//!     .says("Greet")
//!     .build(())
//!     .unwrap();
//! assert_eq!(set.table[0].path, "/api/hello");
//! ```
//!
//! Without one it does not compile:
//!
//! ```compile_fail,E0277
//! # use kit::routes::{Access, Rate, Routes};
//! async fn hello() -> kit::Json<String> {
//!     kit::Json("hello".to_owned())
//! }
//! let set = Routes::new("greeter")
//!     .route(http::Method::GET, "/hello", Access::Public, Rate::General, hello)
//!     .build(())
//!     .unwrap();
//! ```
//!
//! Nor does it with something else in the first place:
//!
//! ```compile_fail,E0277
//! # use kit::routes::{Access, Rate, Routes};
//! async fn hello(_: kit::Path<String>) -> kit::Json<String> {
//!     kit::Json("hello".to_owned())
//! }
//! let set = Routes::new("greeter")
//!     .route(http::Method::GET, "/hello/{name}", Access::Public, Rate::General, hello)
//!     .build(())
//!     .unwrap();
//! ```

mod answer;
mod argument;
mod build;
mod canonical;
mod describe;
mod direct;
mod endpoint;
mod marked;
mod openapi;
mod table;

pub use answer::{Answer, Created, NoContent};
pub use argument::Argument;
pub use build::{RouteError, Routes};
pub use canonical::canonical_path;
pub use describe::Description;
pub(crate) use describe::reference;
pub use direct::Direct;
pub use endpoint::Endpoint;
pub(crate) use marked::Marked;
pub use marked::limit_body;
pub use table::{Access, Api, Guard, GuardKind, Rate, RouteInfo, RouteSet};
