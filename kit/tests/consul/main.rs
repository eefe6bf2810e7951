//! Consul: the promises of every implementation, the wire, and a process that lives in it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "each test file uses a part of it")]
mod common;

mod agent;
mod discovery;
mod readiness;
mod registration;
mod shutdown;
mod suite;
mod support;
mod transactions;
mod wire;

#[cfg(feature = "consul-tests")]
mod real;

suite::of!(memory, kit::consul::memory::MemoryConsul::new());
