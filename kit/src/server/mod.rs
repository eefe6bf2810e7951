//! The server and its edge: everything that happens to every request, once, at the outermost router.

mod config;
mod connection;
mod context;
mod crumbs;
mod door;
mod edge;
mod endless;
mod finish;
mod meter;
mod patient;
mod preface;
mod request_id;
mod router;
mod run;
mod tls;

pub use config::{Config, SECTION};
pub use context::{
    Carried, Matched, default_body_limit, hand_on, note_route, note_user, of_message, request_id,
};
pub(crate) use context::{current_span, draining, with_current};
pub use door::Door;
pub use edge::{Edge, Limits, Server};
pub use router::{metrics_router, metrics_worker, service_router};
pub use tls::Tls;
