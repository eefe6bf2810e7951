//! This process among the others: where they are, and that it is here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use kit::SharedClock;
use kit::consul::{Config, Consul, Membership, Own};
use kit::peer::Pool;
use kit::service::{Service, Worker};

/// Addresses of other services: from their settings, else from Consul.
pub(super) struct Registry {
    consul: Option<(Consul, Membership)>,
}

impl Registry {
    pub(super) fn of(config: &Config, clock: &SharedClock) -> anyhow::Result<Self> {
        let consul = config.client()?.map(|agent| {
            let membership = Membership::new(Arc::new(agent.clone()), clock.clone());
            (agent, membership)
        });
        Ok(Self { consul })
    }

    /// The Consul agent, where there is one.
    pub(super) fn agent(&self) -> Option<&Consul> {
        self.consul.as_ref().map(|(agent, _)| agent)
    }

    /// Where this service answers.
    ///
    /// # Errors
    /// When neither its setting nor Consul says it.
    pub(super) fn pool(&self, service: &'static str, url: &str) -> anyhow::Result<Pool> {
        if !url.is_empty() {
            return Pool::fixed(service, url);
        }
        let (_, membership) = self
            .consul
            .as_ref()
            .with_context(|| format!("peers.{service}: nothing says where it is"))?;
        Ok(membership.discover(service))
    }

    /// Makes the services of this process known, where there is a Consul, each with what `meta` says of it.
    pub(super) fn join(
        &self,
        services: &mut [Service],
        config: &Config,
        listen: SocketAddr,
        meta: impl Fn(&str) -> BTreeMap<String, String>,
    ) -> anyhow::Result<()> {
        if let Some((agent, membership)) = &self.consul {
            let own = config.own(agent, listen)?;
            for service in services {
                let meta = meta(service.name);
                membership.join(
                    service,
                    Own {
                        meta,
                        ..own.clone()
                    },
                );
            }
        }
        Ok(())
    }

    /// What keeps the addresses fresh.
    pub(super) fn workers(&self) -> Vec<Worker> {
        self.consul
            .as_ref()
            .map(|(_, membership)| membership.workers())
            .unwrap_or_default()
    }
}
