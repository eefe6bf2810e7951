//! The settings `[server]`.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use super::edge::Limits;
use crate::config::Section;

/// The settings `[server]` with their defaults.
pub const SECTION: Section = Section {
    name: "server",
    defaults: include_str!("../../config.default.toml"),
    secrets: &[],
};

/// The settings `[server]`; what each means is said in `config.default.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// Bytes a request's body may have, where its route says nothing else.
    pub body_limit: usize,
    /// Seconds a request may take until its answer begins.
    pub request_timeout: u64,
    /// Requests being answered at once; beyond it the answer is 503 `busy`.
    pub max_in_flight: usize,
    /// The address and port of `/metrics` of one process; empty: none.
    pub metrics_listen: String,
    /// Seconds that requests have to finish after a signal.
    pub shutdown_grace: u64,
    /// Seconds between the signal and the refusal of new connections, while it is not ready.
    pub shutdown_delay: u64,
}

impl Config {
    /// The limits of the edge.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            body: self.body_limit,
            time: Duration::from_secs(self.request_timeout),
            in_flight: self.max_in_flight,
            shutdown_grace: Duration::from_secs(self.shutdown_grace),
            shutdown_delay: Duration::from_secs(self.shutdown_delay),
            ..Limits::default()
        }
    }
}
