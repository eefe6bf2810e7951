//! The store suite over every backend, and HTTP tests with the real router.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod audiences;
mod create;
mod delete;
mod edit;
mod events;
#[cfg(feature = "mongodb-tests")]
mod gate;
mod internal;
mod list;
#[cfg(feature = "mongodb-tests")]
mod mongo;
mod paging;
mod places;
mod read;
mod store;
mod whole;
mod world;
