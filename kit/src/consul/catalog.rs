//! Who answers where.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::{ConsulError, Index};

/// Consul's directory of services.
#[async_trait]
pub trait Catalog: Send + Sync + Debug {
    /// Makes an instance known, in the place of one of the same id.
    ///
    /// # Errors
    /// [`ConsulError`].
    async fn register(&self, registration: &Registration) -> Result<(), ConsulError>;

    /// Takes an instance away. One that is not there is no error.
    ///
    /// # Errors
    /// [`ConsulError`].
    async fn deregister(&self, id: &str) -> Result<(), ConsulError>;

    /// Whether the agent knows the instance.
    ///
    /// # Errors
    /// [`ConsulError`].
    async fn registered(&self, id: &str) -> Result<bool, ConsulError>;

    /// The same, asked for as long as `wait`: it answers as soon as the agent knows the instance no more. That the agent ends
    /// meanwhile is an error, so that none is started anew without being noticed.
    ///
    /// # Errors
    /// [`ConsulError`].
    async fn stays(&self, id: &str, wait: Duration) -> Result<bool, ConsulError>;

    /// The instances of a service whose checks pass, by id. With `after` it waits some seconds for a change behind it; an
    /// answer is no proof that there was one. [`Following`](super::Following) says what to ask after.
    ///
    /// # Errors
    /// [`ConsulError`].
    async fn passing(&self, service: &str, after: Option<Index>) -> Result<Instances, ConsulError>;
}

/// An instance as it makes itself known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Stays the same over restarts, and is nobody else's.
    pub id: String,
    /// The service's name.
    pub service: String,
    /// A host name or address, without port, that the agent and the callers reach.
    pub address: String,
    /// The port there.
    pub port: u16,
    /// Tags. Everybody reads them.
    pub tags: Vec<String>,
    /// What else there is to know of it, by names of letters, digits, `-` and `_`. Everybody reads it.
    pub meta: BTreeMap<String, String>,
    /// How the agent asks whether it lives.
    pub check: HealthCheck,
}

/// A question that the agent asks an instance: `GET url` must be answered with 2xx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked.
    pub url: String,
    /// How often.
    pub interval: Duration,
    /// How long the answer may take.
    pub timeout: Duration,
    /// An instance that fails for this long is taken away; Consul takes one minute at least.
    pub deregister_after: Duration,
    /// Whether it passes until the first answer.
    pub passing: bool,
}

/// The instances of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instances {
    /// What to ask after next.
    pub index: Index,
    /// Sorted by id.
    pub instances: Vec<Instance>,
}

/// An instance as others find it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// A host name or address, without port.
    pub address: String,
    /// The port there.
    pub port: u16,
    /// What else it said of itself.
    pub meta: BTreeMap<String, String>,
}

impl Instance {
    /// The base address that it is asked at.
    #[must_use]
    pub fn base(&self) -> String {
        base(&self.address, self.port)
    }
}

/// The base address of what answers there: an IPv6 address stands in brackets before its port.
pub(super) fn base(address: &str, port: u16) -> String {
    if address.contains(':') {
        format!("http://[{address}]:{port}")
    } else {
        format!("http://{address}:{port}")
    }
}
