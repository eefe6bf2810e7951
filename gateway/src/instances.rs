//! Where the instances of services are, as Consul's catalog knows them.

use std::collections::BTreeMap;
use std::sync::Arc;

use kit::consul::{Catalog, Instance};
use parking_lot::Mutex;
use reqwest::Client;

use crate::upstream;

/// The instances of all services. While Consul is away they are those that it named last. Clones share them.
#[derive(Clone, Debug)]
pub struct Instances {
    catalog: Arc<dyn Catalog>,
    client: Client,
    known: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
}

impl Instances {
    /// The instances in this catalog.
    ///
    /// # Errors
    /// When the machine's TLS cannot be set up.
    pub fn new(catalog: Arc<dyn Catalog>) -> anyhow::Result<Self> {
        Ok(Self {
            catalog,
            client: upstream::client()?,
            known: Arc::default(),
        })
    }

    /// The base addresses of a service's instances whose checks pass, without a slash at their ends.
    pub async fn of(&self, service: &str) -> Vec<String> {
        match self.catalog.passing(service, None).await {
            Ok(found) => {
                let bases: Vec<String> = found.instances.iter().map(Instance::base).collect();
                self.known.lock().insert(service.to_owned(), bases.clone());
                bases
            }
            Err(error) => {
                tracing::debug!(service, error = %error, "asking the instances that were known before");
                self.known.lock().get(service).cloned().unwrap_or_default()
            }
        }
    }

    /// The client they are asked with.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }
}
