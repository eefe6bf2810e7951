//! The section `[gateway]`; `config.default.toml` is its documentation.

use std::num::NonZeroU32;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

/// The section with its commented defaults.
pub const SECTION: kit::config::Section = kit::config::Section {
    name: "gateway",
    defaults: include_str!("../config.default.toml"),
    secrets: &[],
};

/// Every setting is described in `config.default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Host names answered for; empty means any.
    pub hosts: Vec<String>,
    /// Proxies whose `X-Forwarded-*` are believed.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Requests a second for one client address.
    #[serde(deserialize_with = "rate")]
    pub rate_limit: NonZeroU32,
    /// Requests one client address may send at once.
    #[serde(deserialize_with = "rate")]
    pub rate_burst: NonZeroU32,
    /// Requests of one client address under way at once; behind Traefik only.
    #[serde(deserialize_with = "rate")]
    pub in_flight: NonZeroU32,
    /// Who may read the API documents.
    pub docs: DocsAccess,
    /// Traefik's entry point `internal`, as Traefik itself reaches it.
    pub traefik_internal: String,
    /// How many proxies stand before Traefik.
    #[serde(deserialize_with = "few")]
    pub proxies_before_traefik: u32,
    /// Seconds an upstream in another process has to begin its answer.
    #[serde(deserialize_with = "seconds")]
    pub upstream_timeout: u64,
}

/// Who may read the API documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocsAccess {
    /// Everybody.
    Public,
    /// Any signed-in account.
    Member,
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    Vec::<String>::deserialize(deserializer)?
        .iter()
        .map(|text| network(text).map_err(serde::de::Error::custom))
        .collect()
}

/// A network, or a plain address as the network that holds it alone.
fn network(text: &str) -> Result<IpNet, String> {
    IpNet::from_str(text)
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| format!("`{text}` is neither an address nor a network such as 10.0.0.0/8"))
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NonZeroU32, D::Error> {
    let given = u32::deserialize(deserializer)?;
    NonZeroU32::new(given)
        .filter(|rate| rate.get() <= 1_000_000)
        .ok_or_else(|| serde::de::Error::custom(format!("{given} is not between 1 and 1000000")))
}

fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let given = u32::deserialize(deserializer)?;
    if given <= 10 {
        Ok(given)
    } else {
        Err(serde::de::Error::custom(format!(
            "{given} is not between 0 and 10"
        )))
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let given = u64::deserialize(deserializer)?;
    if (1..=300).contains(&given) {
        Ok(given)
    } else {
        Err(serde::de::Error::custom(format!(
            "{given} is not between 1 and 300"
        )))
    }
}
