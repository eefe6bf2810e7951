//! The routes table of the feed.

mod atom;
mod live;
mod query;
mod rebuild;
mod stats;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use backends::bus::Bus;
use contracts::Roster;
use http::Method;
use kit::clock::SharedClock;
use kit::routes::{Access, Api, Rate, RouteError, RouteSet, Routes};

use crate::live::hub::Hub;
use crate::pulse::Pulse;
use crate::reading::Reading;
use crate::rebuild::Rebuilds;
pub(crate) use stats::BusProbe;

/// What the handlers need; shared, so that a request clones one pointer.
pub(crate) type App = Arc<Shared>;

/// See [`App`].
pub(crate) struct Shared {
    pub(crate) reading: Reading,
    pub(crate) roster: Arc<dyn Roster>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) probe: BusProbe,
    pub(crate) hub: Arc<Hub>,
    /// A live stream gives a sign of life at least so often.
    pub(crate) quiet: Duration,
    pub(crate) clock: SharedClock,
    pub(crate) public_audience: bool,
    pub(crate) public_url: String,
    pub(crate) rebuilds: Rebuilds,
}

/// The whole table.
pub(crate) fn routes(app: App) -> Result<RouteSet, RouteError> {
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
    Routes::new("feed")
        .route(
            Method::GET,
            "/activity-stream",
            Access::Optional,
            Rate::General,
            stream::stream,
        )
        .says("The caller's stream, newest first")
        .route(
            Method::GET,
            "/activity-stream/user",
            Access::Authenticated,
            Rate::General,
            stream::own,
        )
        .says("What the caller published, newest first")
        .route(
            Method::GET,
            "/activity-stream/live",
            Access::Authenticated,
            Rate::General,
            live::live,
        )
        .says("What changes in the caller's stream, as server-sent events")
        .route(
            Method::GET,
            "/activity-stream/stats",
            Access::Public,
            Rate::General,
            stats::stats,
        )
        .says("How the stream is, measured")
        .route(
            Method::GET,
            "/activity-stream/stats/detail",
            Access::Authenticated,
            Rate::General,
            stats::detail,
        )
        .says("The same in detail, for administrators")
        .route(
            Method::POST,
            "/activity-stream/rebuild",
            Access::Authenticated,
            Rate::General,
            rebuild::rebuild,
        )
        .says("Builds the stream anew beside the one that is shown, and shows it then")
        .route(
            Method::GET,
            "/activity-stream/atom",
            Access::Public,
            Rate::General,
            atom::atom,
        )
        .says("What is public, as an Atom feed")
}
