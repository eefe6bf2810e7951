//! How an instance makes itself known.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::Url;
use tokio::net::UdpSocket;

use super::catalog::base;
use super::{ConsulError, HealthCheck, Registration};

/// How an instance makes itself known, whatever service it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Where it is reached.
    pub address: Address,
    /// The port there.
    pub port: u16,
    /// What tells it from the others of its service; stays the same over restarts.
    pub instance: String,
    /// Tags.
    pub tags: Vec<String>,
    /// What else there is to know of it.
    pub meta: BTreeMap<String, String>,
    /// How often the agent asks whether it lives.
    pub interval: Duration,
    /// How long the answer may take.
    pub timeout: Duration,
    /// How long it may fail until it is forgotten.
    pub deregister_after: Duration,
}

/// Where an instance is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// There, without port.
    Known(String),
    /// At the address from which this machine talks to an agent.
    Towards {
        /// The agent's host.
        host: String,
        /// Its port.
        port: u16,
    },
}

impl Address {
    pub(super) fn towards(agent: &Url) -> Self {
        // brackets are of the URL, not of the address
        let host = agent.host_str().unwrap_or_default();
        Self::Towards {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: agent.port_or_known_default().unwrap_or(8500),
        }
    }

    async fn find(&self) -> Result<String, ConsulError> {
        match self {
            Self::Known(address) => Ok(address.clone()),
            Self::Towards { host, port } => match from_where(host, *port).await {
                Ok(address) => Ok(address.to_canonical().to_string()),
                Err(error) => Err(ConsulError::Unreachable(format!(
                    "no way to {host} is known: {error}"
                ))),
            },
        }
    }
}

impl Own {
    /// The id of an instance of `service`.
    #[must_use]
    pub fn id(&self, service: &str) -> String {
        format!("{service}-{}-{}", self.instance, self.port)
    }

    /// The registration of an instance of `service` that can work.
    ///
    /// # Errors
    /// [`ConsulError::Unreachable`] when it is not to be found out where it is reached.
    pub async fn registration(&self, service: &str) -> Result<Registration, ConsulError> {
        let address = self.address.find().await?;
        Ok(Registration {
            id: self.id(service),
            service: service.to_owned(),
            check: HealthCheck {
                url: format!("{}/health", base(&address, self.port)),
                interval: self.interval,
                timeout: self.timeout,
                deregister_after: self.deregister_after,
                passing: true,
            },
            address,
            port: self.port,
            tags: self.tags.clone(),
            meta: self.meta.clone(),
        })
    }
}

/// The address of this machine on the way there. Nothing is sent.
async fn from_where(host: &str, port: u16) -> io::Result<IpAddr> {
    let mut found = tokio::net::lookup_host((host, port)).await?;
    let there = found
        .next()
        .ok_or_else(|| io::Error::other("the name has no address"))?;
    let any: SocketAddr = match there {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(there).await?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consul::{Config, Consul, SECTION};
    use secrecy::SecretString;

    async fn registered(listen: &str, env: &[(&str, &str)]) -> Registration {
        let env = env
            .iter()
            .map(|(key, value)| (format!("SCHOOLYARD_CONSUL__{key}"), (*value).to_owned()));
        let settings = crate::config::Config::load(&[SECTION], None, env.collect(), &[]).unwrap();
        let config: Config = settings.section("consul").unwrap();
        let agent = Consul::new("http://127.0.0.1:8500", &SecretString::from("")).unwrap();
        let own = config.own(&agent, listen.parse().unwrap()).unwrap();
        own.registration("things").await.unwrap()
    }

    #[tokio::test]
    async fn the_address_is_that_of_the_listener_where_it_has_one() {
        let of = registered("192.0.2.7:5000", &[("INSTANCE", "one")]).await;
        assert_eq!((of.address.as_str(), of.port), ("192.0.2.7", 5000));
        assert_eq!(of.check.url, "http://192.0.2.7:5000/health");
        assert_eq!(of.id, "things-one-5000");
    }

    #[tokio::test]
    async fn a_listener_at_every_address_is_reached_at_the_one_towards_the_agent() {
        let of = registered("0.0.0.0:5000", &[]).await;
        assert_eq!(of.address, "127.0.0.1");
        let of = registered("[::]:5000", &[]).await;
        assert_eq!(of.address, "127.0.0.1");
    }

    #[tokio::test]
    async fn what_the_operator_says_counts() {
        let said = [
            ("ADVERTISE_ADDRESS", "fd00::7"),
            ("ADVERTISE_PORT", "80"),
            ("INSTANCE", "one"),
            ("TAGS", "a, b=c"),
            ("CHECK_INTERVAL", "3"),
            ("CHECK_TIMEOUT", "2"),
            ("DEREGISTER_AFTER", "60"),
        ];
        let of = registered("0.0.0.0:5000", &said).await;
        let expected = Registration {
            id: "things-one-80".to_owned(),
            service: "things".to_owned(),
            address: "fd00::7".to_owned(),
            port: 80,
            tags: vec!["a".to_owned(), "b=c".to_owned()],
            meta: BTreeMap::new(),
            check: HealthCheck {
                url: "http://[fd00::7]:80/health".to_owned(),
                interval: Duration::from_secs(3),
                timeout: Duration::from_secs(2),
                deregister_after: Duration::from_secs(60),
                passing: true,
            },
        };
        assert_eq!(of, expected);
    }

    #[tokio::test]
    async fn the_id_stays_the_same_over_restarts_without_a_word_of_the_operator() {
        let (first, second) = (
            registered("127.0.0.1:5000", &[]).await,
            registered("127.0.0.1:5000", &[]).await,
        );
        assert_eq!(first.id, second.id);
        assert!(first.id.len() > "things--5000".len(), "{}", first.id);
    }

    #[tokio::test]
    async fn an_agent_whose_name_is_not_known_is_an_error_that_names_the_setting() {
        let address = Address::towards(&"http://nowhere.invalid:8500".parse().unwrap());
        let error = address.find().await.unwrap_err().to_string();
        assert!(
            error.starts_with("consul.address: ") && error.contains("nowhere.invalid"),
            "{error}"
        );
    }
}
