//! The store suite over every backend, and HTTP tests with the real router.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod audiences;
#[cfg(feature = "mongodb-tests")]
mod away;
#[cfg(feature = "mongodb-tests")]
mod carried;
mod create;
#[cfg(feature = "mongodb-tests")]
mod cut_off;
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
