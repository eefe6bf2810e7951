//! The gateway where Traefik stands before the services: it answers for itself and tells Traefik what to route.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use contracts::InternalCa;
use contracts::clients::HttpInternalCa;
use gateway::traefik::{BehindDeps, EntryAuthority, behind_traefik};
use kit::SystemClock;
use kit::peer::Peer;
use kit::service::Service;
use kit::token::KeyRing;
use secrecy::ExposeSecret as _;

use super::{Parts, upstreams};
use crate::settings::Target;

impl Parts {
    /// The gateway as a service among the others, and what Traefik itself asks it for. None where it does not run here, or
    /// where nothing but itself can stand before the services: in one process, or without a Consul.
    pub(super) fn behind_traefik(
        &self,
        keys: &KeyRing,
    ) -> anyhow::Result<Option<(Service, Router)>> {
        let target = &self.plan.target;
        let Some(agent) = self.registry.agent().filter(|_| *target != Target::All) else {
            return Ok(None);
        };
        if !target.runs("gateway") {
            return Ok(None);
        }
        let config = &self.plan.gateway;
        // Traefik looks at certificates by the machine's clock, whatever the host's is.
        let authority =
            EntryAuthority::new(config, keys, self.internal_ca()?, SystemClock::shared())?;
        let services = upstreams::SERVICES.into_iter().map(upstreams::api);
        let deps = BehindDeps {
            services: services.collect::<anyhow::Result<_>>()?,
            verifier: self.verifier.clone(),
            keys: Arc::new(agent.clone()),
            catalog: Arc::new(agent.clone()),
            authority: Arc::new(authority),
            body_limit: self.plan.server.body_limit,
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        };
        let behind = behind_traefik(config, deps).context("gateway")?;
        Ok(Some((behind.service, behind.pages)))
    }

    /// Auth's own authority, where this process may ask for it.
    fn internal_ca(&self) -> anyhow::Result<Option<Arc<dyn InternalCa>>> {
        if self.plan.peers.credential.expose_secret().is_empty() {
            return Ok(None);
        }
        let auth = self.registry.pool("auth", &self.plan.peers.auth)?;
        let tokens = self.tokens(auth.clone(), "gateway")?;
        let peer = Peer::of(auth, Arc::new(tokens))?;
        Ok(Some(Arc::new(HttpInternalCa::new(peer))))
    }
}
