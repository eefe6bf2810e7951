//! The feed through its router, its bus and its store.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod atom;
mod bus;
mod events;
mod fallback;
mod live;
mod live_model;
mod rebuild;
mod rule24;
mod store;
mod stream;
mod support;
mod surface;
mod verify;

/// Where the streams of these tests are kept. The same tests run on Redis in tests/it_redis.
fn backend(window: usize) -> support::Opened {
    support::memory(window)
}
