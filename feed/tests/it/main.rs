//! The feed through its router, its bus and its store.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod events;
mod fallback;
mod live;
mod live_model;
mod store;
mod stream;
mod support;
mod surface;
