//! The suites that run on every database, and those of the bus, consumer and files.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod audit;
mod bus;
mod common;
mod consumer;
mod db;
mod dead_letters;
mod files;
mod hold;
mod idempotency;
#[cfg(feature = "kafka-tests")]
mod kafka;
mod lease;
mod migrate;
mod origin;
mod outbox;
#[cfg(feature = "redis-tests")]
mod redis;
