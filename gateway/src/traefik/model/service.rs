//! Services, how they are connected to, and certificates.

use super::object::Leaves;
use super::{Address, Name, Pem, Reference, Unwritable};

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: Name,
    /// What stands before it, once for all routers that send to it.
    pub middlewares: Vec<Name>,
    /// Who answers.
    pub kind: ServiceKind,
}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceKind {
    /// Another service.
    Passes(Reference),
    /// A server at this address.
    Server {
        /// Where it is.
        address: Address,
        /// How it is connected to.
        transport: Option<Name>,
    },
    /// Nobody: 503.
    Nobody,
}

impl Service {
    pub(super) fn leaves(&self) -> Result<Leaves, Unwritable> {
        let mut leaves = Leaves::default();
        leaves.list("middlewares", self.middlewares.iter().map(Name::as_str))?;
        match &self.kind {
            ServiceKind::Passes(to) => {
                leaves.put("weighted/services/0/name", to);
                leaves.put("weighted/services/0/weight", 1);
            }
            ServiceKind::Server { address, transport } => {
                leaves.put("loadBalancer/servers/0/url", address);
                if let Some(transport) = transport {
                    leaves.put("loadBalancer/serversTransport", transport);
                }
            }
            ServiceKind::Nobody => leaves.put("loadBalancer/passHostHeader", true),
        }
        Ok(leaves)
    }
}

/// How a server is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport {
    /// Its name.
    pub name: Name,
    /// Whose certificates are believed.
    pub authority: Pem,
}

impl Transport {
    pub(super) fn leaves(&self) -> Result<Leaves, Unwritable> {
        let mut leaves = Leaves::default();
        leaves.list("rootCAs", [self.authority.as_str()])?;
        Ok(leaves)
    }
}

/// A certificate that Traefik shows to whom it fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate and those between it and its authority.
    pub chain: Pem,
    /// Its private key.
    pub key: Pem,
}

impl Certificate {
    /// Certificates stand in a list, by number: this one is ours.
    pub const NUMBER: &str = "900";

    pub(super) fn leaves(&self) -> Leaves {
        let mut leaves = Leaves::default();
        leaves.put("certFile", self.chain.as_str());
        leaves.put("keyFile", self.key.as_str());
        leaves
    }
}
