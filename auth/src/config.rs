//! The section `[auth]`; `config.default.toml` is its documentation.

use std::{net::SocketAddr, time::Duration};

use chrono::TimeDelta;
use ipnet::IpNet;
use kit::config::Section;
use rustls_pki_types::ServerName;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// The section as kit loads it.
pub const SECTION: Section = Section {
    name: "auth",
    defaults: include_str!("../config.default.toml"),
    secrets: &["secret_key", "retiring_keys", "service_credentials"],
};

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Anybody; the account has role `member` only, which sees no school data.
    Open,
    /// With an invitation only.
    Invite,
    /// Nobody.
    Closed,
}

/// The settings of auth. Each is described in `config.default.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// URL of the store; empty: the host decides.
    pub store: String,
    /// URL of the Redis by which several instances tell one another what they changed; empty: there is one instance.
    pub redis: String,
    /// Who may register.
    pub registration: Registration,
    /// Life of an access token, seconds.
    pub access_ttl: i64,
    /// Idle life of a session, seconds.
    pub refresh_idle: i64,
    /// Longest life of a session, seconds.
    pub refresh_absolute: i64,
    /// The signing key; empty: the host decides.
    pub secret_key: SecretString,
    /// Keys that still verify.
    pub retiring_keys: Vec<SecretString>,
    /// Whether a token in the query string is taken.
    pub compat_query_token: bool,
    /// Shortest new password, characters.
    pub password_min: usize,
    /// Whether common passwords are refused.
    pub password_denylist: bool,
    /// Cost of new hashes.
    pub bcrypt_cost: u32,
    /// Hashes computed at a time; 0: processors less one.
    pub hash_parallel: usize,
    /// Longest wait for a hash, milliseconds.
    pub hash_queue_ms: u64,
    /// Failed logins per address and minute; 0: no limit.
    pub failed_logins_per_minute: u32,
    /// Registrations per address and minute; 0: no limit.
    pub registers_per_minute: u32,
    /// `name:secret` of the services.
    pub service_credentials: Vec<SecretString>,
    /// Address and port of the internal TLS address; empty: none.
    pub tls_listen: String,
    /// Host names and addresses its certificate is for.
    pub tls_names: Vec<String>,
    /// Where people reach the school, for links that are handed on.
    pub public_url: String,
    /// Networks that many people share an address of (spec/auth.md rule 20).
    pub shared_networks: Vec<IpNet>,
    /// A bcrypt cost below the bounds, for tests and measurements; no file or variable can set it.
    #[serde(skip)]
    pub unsafe_bcrypt_cost: Option<u32>,
}

impl Config {
    /// The defaults with a fast hash and without limits, for tests.
    #[must_use]
    pub fn for_tests() -> Self {
        let config = kit::config::Config::load(&[SECTION], None, Vec::new(), &[])
            .expect("the embedded defaults load");
        let mut config: Self = config
            .section(SECTION.name)
            .expect("the embedded defaults are complete");
        config.unsafe_bcrypt_cost = Some(4);
        config.failed_logins_per_minute = 0;
        config.registers_per_minute = 0;
        config.hash_queue_ms = 60_000;
        config
    }

    /// Checks what a type cannot say.
    ///
    /// # Errors
    /// A sentence that names the setting and its bounds.
    pub fn check(&self) -> Result<(), String> {
        fn within<T: PartialOrd + Copy + std::fmt::Display>(
            name: &str,
            value: T,
            low: T,
            high: T,
        ) -> Result<(), String> {
            if value < low || value > high {
                Err(format!(
                    "auth.{name} is {value}; it must be {low} to {high}"
                ))
            } else {
                Ok(())
            }
        }
        within("access_ttl", self.access_ttl, 300, 86_400)?;
        within(
            "refresh_idle",
            self.refresh_idle,
            self.access_ttl,
            self.refresh_absolute,
        )?;
        within(
            "refresh_absolute",
            self.refresh_absolute,
            3600,
            400 * 86_400,
        )?;
        within("password_min", self.password_min, 8, 128)?;
        within("bcrypt_cost", self.bcrypt_cost, 10, 15)?;
        within("hash_queue_ms", self.hash_queue_ms, 100, 60_000)?;
        within("hash_parallel", self.hash_parallel, 0, 1024)?;
        self.check_public_url()?;
        self.tls_listen()?;
        self.credentials().map(|_| ())
    }

    fn check_public_url(&self) -> Result<(), String> {
        let fits = self.public_url.is_empty()
            || self.public_url.parse::<http::Uri>().is_ok_and(|url| {
                matches!(url.scheme_str(), Some("http" | "https")) && url.query().is_none()
            });
        // a fragment is dropped in silence by the parser
        if fits && !self.public_url.contains('#') {
            Ok(())
        } else {
            Err("auth.public_url is no address like https://school.example".to_owned())
        }
    }

    /// Where the internal TLS address listens; none where there is none.
    ///
    /// # Errors
    /// A sentence that names the setting: no address with a port, or a certificate for nothing.
    pub fn tls_listen(&self) -> Result<Option<SocketAddr>, String> {
        if self.tls_listen.is_empty() {
            return Ok(None);
        }
        let listen = self.tls_listen.parse().map_err(|_| {
            "auth.tls_listen is no address with a port like 0.0.0.0:8443".to_owned()
        })?;
        if self.tls_names.is_empty() {
            return Err("auth.tls_names is empty; name the host by which the gateway asks at auth.tls_listen".to_owned());
        }
        for name in &self.tls_names {
            if ServerName::try_from(name.as_str()).is_err() {
                return Err(format!(
                    "auth.tls_names: `{name}` is neither a host name nor an address"
                ));
            }
        }
        Ok(Some(listen))
    }

    /// An address people can open; only the path where the school's own is not set.
    #[must_use]
    pub fn public(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.trim_end_matches('/'))
    }

    /// The services' names and secrets.
    ///
    /// # Errors
    /// An entry that is not `name:secret`, a short secret or a repeated name; the secret is not in the message.
    pub fn credentials(&self) -> Result<Vec<(String, SecretString)>, String> {
        let mut found: Vec<(String, SecretString)> = Vec::new();
        for (n, entry) in self.service_credentials.iter().enumerate() {
            let (name, secret) = entry.expose_secret().split_once(':').ok_or(format!(
                "auth.service_credentials: entry {} is not name:secret",
                n + 1
            ))?;
            if name.is_empty()
                || !name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            {
                return Err(format!(
                    "auth.service_credentials: entry {} has a name that is not letters, digits, - or _",
                    n + 1
                ));
            }
            if secret.len() < 32 {
                return Err(format!(
                    "auth.service_credentials: the secret of {name} is shorter than 32 bytes"
                ));
            }
            if found.iter().any(|(there, _)| there == name) {
                return Err(format!("auth.service_credentials: {name} is there twice"));
            }
            found.push((name.to_owned(), secret.to_owned().into()));
        }
        Ok(found)
    }

    /// Idle life of a session.
    #[must_use]
    pub fn idle(&self) -> TimeDelta {
        TimeDelta::seconds(self.refresh_idle)
    }

    /// Longest life of a session.
    #[must_use]
    pub fn absolute(&self) -> TimeDelta {
        TimeDelta::seconds(self.refresh_absolute)
    }

    /// The hasher these settings ask for.
    #[must_use]
    pub fn hasher(&self) -> crate::password::Hasher {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let parallel = if self.hash_parallel == 0 {
            cores.saturating_sub(1)
        } else {
            self.hash_parallel
        };
        crate::password::Hasher::new(
            self.unsafe_bcrypt_cost.unwrap_or(self.bcrypt_cost),
            parallel,
            Duration::from_millis(self.hash_queue_ms),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_own_bounds() {
        assert_eq!(Config::for_tests().check(), Ok(()));
    }

    #[test]
    fn settings_beyond_the_bounds_are_refused_by_name() {
        let refused = |change: fn(&mut Config)| {
            let mut config = Config::for_tests();
            change(&mut config);
            config.check().unwrap_err()
        };
        assert!(refused(|c| c.bcrypt_cost = 9).contains("auth.bcrypt_cost"));
        assert!(refused(|c| c.bcrypt_cost = 16).contains("10 to 15"));
        assert!(refused(|c| c.access_ttl = 299).contains("auth.access_ttl"));
        assert!(refused(|c| c.password_min = 4).contains("auth.password_min"));
        assert!(refused(|c| c.service_credentials = vec!["feed:short".into()]).contains("feed"));
        for url in [
            "school.example",
            "ftp://x",
            "https://x/?a=b",
            "https://x/#a",
            "https:// x",
        ] {
            let mut config = Config::for_tests();
            config.public_url = url.to_owned();
            assert!(
                config.check().unwrap_err().contains("auth.public_url"),
                "{url}"
            );
        }
        assert!(refused(|c| c.tls_listen = "8443".into()).contains("auth.tls_listen"));
        for names in [vec![], vec!["two words".to_owned()], vec![String::new()]] {
            let mut config = Config::for_tests();
            config.tls_names = names;
            assert_eq!(config.tls_listen(), Ok(None), "nobody asks for them");
            config.tls_listen = "[::1]:8443".to_owned();
            assert!(config.check().unwrap_err().contains("auth.tls_names"));
        }
        let twice = format!("feed:{}", "s".repeat(32));
        let message =
            refused(|c| c.service_credentials = vec![format!("feed:{}", "s".repeat(32)).into(); 2]);
        assert!(message.contains("twice") && !message.contains(&twice[5..]));
    }

    #[test]
    fn the_environment_can_name_networks_and_credentials_but_no_cheap_hash() {
        let load = |name: &str, value: &str| {
            let env = vec![(name.to_owned(), value.to_owned())];
            kit::config::Config::load(&[SECTION], None, env, &[])
                .and_then(|config| config.section::<Config>("auth"))
        };
        let config = load(
            "SCHOOLYARD_AUTH__SHARED_NETWORKS",
            "10.0.0.0/8,2001:db8::/32",
        )
        .unwrap();
        assert_eq!(config.shared_networks.len(), 2);
        assert!(load("SCHOOLYARD_AUTH__SHARED_NETWORKS", "everybody").is_err());
        let secret = format!("feed:{}", "s".repeat(32));
        let config = load("SCHOOLYARD_AUTH__SERVICE_CREDENTIALS", &secret).unwrap();
        assert_eq!(config.credentials().unwrap()[0].0, "feed");
        assert!(load("SCHOOLYARD_AUTH__UNSAFE_BCRYPT_COST", "4").is_err());
        assert!(
            load("SCHOOLYARD_AUTH__BCRYPT_COST", "4")
                .unwrap()
                .check()
                .is_err()
        );
    }
}
