//! The store suite over every backend, and HTTP tests with the real router.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bad_input;
mod change;
mod create;
mod delete;
mod events;
mod merge;
mod names;
mod store;
mod whole;
mod world;
