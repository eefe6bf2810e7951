//! The service through its real router and edge, on every database: cost 4 and no limits unless a test says so.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod accounts;
mod bad_input;
mod events;
#[cfg(feature = "redis-tests")]
mod instances;
mod login;
mod paging;
mod people;
mod refresh;
mod reset;
mod school;
mod service_tokens;
mod sessions;
mod setup;
mod validate;
