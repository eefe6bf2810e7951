//! The store suite over every backend, and HTTP tests with the real router.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod audiences;
mod create;
mod delete;
mod edit;
mod events;
mod internal;
mod list;
mod paging;
mod read;
mod store;
mod whole;
mod world;
