#![doc = include_str!("../README.md")]

pub mod audit;
mod backoff;
pub mod bus;
pub mod consumer;
pub mod db;
pub mod dead_letters;
pub mod files;
pub mod idempotency;
pub mod lease;
pub mod outbox;
pub mod readiness;
#[cfg(feature = "redis")]
pub mod redis;
pub mod testing;

pub use db::{Db, Error, Tx};
