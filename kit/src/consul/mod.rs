//! Consul: a directory of who answers where, and a small store of keys.
//!
//! [`KeyValue`] and [`Catalog`] are what the rest of the program asks of it;
//! [`Consul`] asks an agent over HTTP, [`MemoryConsul`](memory::MemoryConsul) is one in this process, for tests.

mod announce;
mod catalog;
mod chance;
mod client;
mod config;
mod discover;
mod error;
mod following;
mod index;
mod key_value;
mod membership;
pub mod memory;
mod own;
mod standing;

pub use catalog::{Catalog, HealthCheck, Instance, Instances, Registration};
pub use client::Consul;
pub use config::{Config, SECTION};
pub use discover::follow;
pub use error::ConsulError;
pub use following::Following;
pub use index::Index;
pub use key_value::{KeyValue, Listing, MOST_OPERATIONS, Operation, Pair};
pub use membership::Membership;
pub use own::{Address, Own};
