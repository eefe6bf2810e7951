//! The settings `[consul]`.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use super::Consul;
use super::own::{Address, Own};
use crate::config::{Config as Settings, ConfigError, Origin, Section};

/// The settings `[consul]` with their defaults.
pub const SECTION: Section = Section {
    name: "consul",
    defaults: include_str!("../../consul.default.toml"),
    secrets: &["token"],
};

/// Seconds that a server goes on after it was deregistered, until nobody routes to it any more.
const SHUTDOWN_DELAY: i64 = 5;

/// The settings `[consul]`; what each means is said in `consul.default.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The agent's URL; empty: none.
    pub address: String,
    /// The token; may be empty.
    pub token: SecretString,
    /// Where this instance is reached; empty: found out.
    #[serde(deserialize_with = "host")]
    pub advertise_address: String,
    /// The port there; 0: the one it listens on.
    pub advertise_port: u16,
    /// What tells it from others; empty: the machine's name.
    #[serde(deserialize_with = "instance")]
    pub instance: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Seconds between two checks.
    #[serde(deserialize_with = "at_least::<1, _>")]
    pub check_interval: u64,
    /// Seconds that a check may take.
    #[serde(deserialize_with = "at_least::<1, _>")]
    pub check_timeout: u64,
    /// Seconds until an instance that fails is forgotten.
    #[serde(deserialize_with = "at_least::<60, _>")]
    pub deregister_after: u64,
}

impl Config {
    /// The agent, if there is one.
    ///
    /// # Errors
    /// As [`Consul::new`].
    pub fn client(&self) -> anyhow::Result<Option<Consul>> {
        if self.address.is_empty() {
            return Ok(None);
        }
        Consul::new(&self.address, &self.token).map(Some)
    }

    /// How an instance that listens there makes itself known to `agent`.
    ///
    /// # Errors
    /// When the machine has no name; the error names the setting to give it one.
    pub fn own(&self, agent: &Consul, listen: SocketAddr) -> anyhow::Result<Own> {
        let address = if !self.advertise_address.is_empty() {
            Address::Known(self.advertise_address.clone())
        } else if listen.ip().is_unspecified() {
            Address::towards(agent.address())
        } else {
            Address::Known(listen.ip().to_canonical().to_string())
        };
        let instance = if self.instance.is_empty() {
            machine()?
        } else {
            self.instance.clone()
        };
        Ok(Own {
            address,
            port: Some(self.advertise_port)
                .filter(|&port| port != 0)
                .unwrap_or(listen.port()),
            instance,
            tags: self.tags.clone(),
            meta: BTreeMap::new(),
            interval: Duration::from_secs(self.check_interval),
            timeout: Duration::from_secs(self.check_timeout),
            deregister_after: Duration::from_secs(self.deregister_after),
        })
    }

    /// Where Consul is used, a server goes on for some seconds after it was deregistered (`server.shutdown_delay`), unless
    /// the operator has set that himself.
    ///
    /// # Errors
    /// When a setting does not fit.
    pub fn profile(settings: &mut Settings) -> Result<(), ConfigError> {
        let config: Self = settings.section(SECTION.name)?;
        if config.address.is_empty() {
            return Ok(());
        }
        settings.set(
            crate::server::SECTION.name,
            "shutdown_delay",
            SHUTDOWN_DELAY,
            Origin::Profile("consul"),
        )
    }
}

/// The name of this machine; in a container, that of the container.
fn machine() -> anyhow::Result<String> {
    let name = ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .into_iter()
        .find_map(|path| std::fs::read_to_string(path).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty());
    let name = name.context("consul.instance: this machine does not say its name; set one")?;
    Ok(name.replace(|c| !is_of_a_name(c), "-"))
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

fn instance<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let given = String::deserialize(deserializer)?;
    if given.chars().all(is_of_a_name) {
        return Ok(given);
    }
    Err(serde::de::Error::custom(format!(
        "`{given}` may hold letters, digits, `.`, `-` and `_` only"
    )))
}

fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let given = String::deserialize(deserializer)?;
    if given.chars().all(is_of_a_name) || given.parse::<Ipv6Addr>().is_ok() {
        return Ok(given);
    }
    Err(serde::de::Error::custom(format!(
        "`{given}` must be a host name or an address, without scheme and port"
    )))
}

fn at_least<'de, const LEAST: u64, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let given = u64::deserialize(deserializer)?;
    if given >= LEAST {
        return Ok(given);
    }
    Err(serde::de::Error::custom(format!(
        "{given} is less than {LEAST}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config as Settings;
    use crate::server;

    fn settings(env: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let env = env
            .iter()
            .map(|(key, value)| (format!("SCHOOLYARD_{key}"), (*value).to_owned()));
        Settings::load(&[SECTION, server::SECTION], None, env.collect(), &[])
    }

    fn config(env: &[(&str, &str)]) -> Result<Config, ConfigError> {
        settings(env)?.section(SECTION.name)
    }

    #[test]
    fn without_an_address_there_is_no_consul() {
        assert!(config(&[]).unwrap().client().unwrap().is_none());
        let config = config(&[("CONSUL__ADDRESS", "http://consul:8500")]).unwrap();
        assert!(config.client().unwrap().is_some());
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_name_of_the_setting() {
        for (key, value) in [
            ("ADVERTISE_ADDRESS", "http://things"),
            ("ADVERTISE_ADDRESS", "things:5000"),
            ("INSTANCE", "a b"),
            ("CHECK_INTERVAL", "0"),
            ("CHECK_TIMEOUT", "0"),
            ("DEREGISTER_AFTER", "59"),
            ("ADVERTISE_PORT", "70000"),
        ] {
            let variable = format!("CONSUL__{key}");
            let error = config(&[(&variable, value)]).unwrap_err().to_string();
            let name = format!("consul.{}", key.to_ascii_lowercase());
            assert!(error.starts_with(&name), "{error}");
        }
        config(&[("CONSUL__ADVERTISE_ADDRESS", "fd00::7")]).unwrap();
    }

    #[test]
    fn the_token_is_shown_to_nobody() {
        let settings = settings(&[("CONSUL__TOKEN", "geheim")]).unwrap();
        let config: Config = settings.section(SECTION.name).unwrap();
        let entries = settings.entries();
        let shown = entries
            .iter()
            .find(|entry| entry.name == "consul.token")
            .unwrap();
        assert!(!shown.value.contains("geheim"));
        assert!(!format!("{config:?} {settings:?}").contains("geheim"));
    }

    #[test]
    fn a_server_in_consul_goes_on_for_five_seconds_unless_the_operator_said_otherwise() {
        let delay = |env: &[(&str, &str)]| {
            let mut settings = settings(env).unwrap();
            Config::profile(&mut settings).unwrap();
            let server: server::Config = settings.section("server").unwrap();
            server.shutdown_delay
        };
        let address = ("CONSUL__ADDRESS", "http://consul:8500");
        assert_eq!(delay(&[]), 0);
        assert_eq!(delay(&[address]), 5);
        assert_eq!(delay(&[address, ("SERVER__SHUTDOWN_DELAY", "1")]), 1);
    }
}
