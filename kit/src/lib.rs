#![doc = include_str!("../README.md")]

pub mod breaker;
pub mod clock;
pub mod conditional;
pub mod config;
pub mod consul;
pub mod extract;
pub mod ids;
pub mod metrics;
pub mod page;
pub mod peer;
pub mod problem;
pub mod routes;
pub mod server;
pub mod service;
pub mod shutdown;
pub mod telemetry;
pub mod testing;
pub mod token;
pub mod trace;

pub use clock::{Clock, MockClock, SharedClock, SystemClock};
pub use extract::{Json, Path, Query};
pub use ids::{Ids, RandomIds, SeededIds, SharedIds};
pub use page::{Cursor, Page};
pub use problem::{FieldErrors, Problem};
pub use routes::{Created, NoContent};

/// The version of the program, as `/health`, the log and the API document show it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
