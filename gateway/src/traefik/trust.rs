//! By what Traefik knows that it asks itself.

use std::fmt::Debug;

use async_trait::async_trait;
use kit::consul::Pair;

use super::model::{Certificate, Kind, Pem, Unwritable, id_of};

/// The authority that Traefik believes at its entry point `internal`, what it shows there, and whom forward-auth believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    pub(super) authority: Pem,
    pub(super) certificate: Option<Certificate>,
    pub(super) asked: Pem,
}

impl Trust {
    /// Believes this authority (PEM). The entry point shows a certificate that it has from elsewhere.
    ///
    /// # Errors
    /// What is no PEM.
    pub fn new(authority: &str) -> Result<Self, Unwritable> {
        let authority = Pem::new(authority)?;
        Ok(Self {
            asked: authority.clone(),
            authority,
            certificate: None,
        })
    }

    /// Forward-auth believes this authority (PEM) as well: auth's own, whose connections that entry point may hand on.
    ///
    /// # Errors
    /// What is no PEM.
    pub fn and_of_auth(self, authority: &str) -> Result<Self, Unwritable> {
        let both = format!("{}{authority}", self.authority.as_str());
        Ok(Self {
            asked: Pem::new(&both)?,
            ..self
        })
    }

    /// Whether forward-auth believes auth itself.
    pub(super) fn knows_auth(&self) -> bool {
        self.asked != self.authority
    }

    /// The entry point shows this certificate, for the host of `gateway.traefik_internal`, with its private key (PEM).
    ///
    /// # Errors
    /// What is no PEM.
    pub fn showing(self, chain: &str, key: &str) -> Result<Self, Unwritable> {
        let certificate = Certificate {
            chain: Pem::new(chain)?,
            key: Pem::new(key)?,
        };
        Ok(Self {
            certificate: Some(certificate),
            ..self
        })
    }

    /// What stands in Consul already: a gateway that starts while auth is away leaves it there.
    pub(super) fn standing(pairs: &[Pair]) -> Option<Self> {
        let value = |ends: &str, kind: Kind| {
            let ours = |key: &str| id_of(key).is_some_and(|(found, _)| found == kind);
            let pair = pairs
                .iter()
                .find(|pair| pair.key.ends_with(ends) && ours(&pair.key))?;
            Pem::new(std::str::from_utf8(&pair.value).ok()?).ok()
        };
        let certificate = || {
            Some(Certificate {
                chain: value("/certFile", Kind::Certificate)?,
                key: value("/keyFile", Kind::Certificate)?,
            })
        };
        let authority = value("/rootCAs/0", Kind::Transport)?;
        let asked = value("/forwardAuth/tls/ca", Kind::Middleware);
        Some(Self {
            asked: asked.unwrap_or_else(|| authority.clone()),
            authority,
            certificate: certificate(),
        })
    }
}

/// Who knows the authority.
#[async_trait]
pub trait Authority: Send + Sync + Debug {
    /// What is to be believed and shown now. Asked at the start, then every half minute; after a failure sooner.
    ///
    /// # Errors
    /// When it cannot be found out. The text names the setting to look at; what was known before is believed on.
    async fn trust(&self) -> anyhow::Result<Trust>;

    /// Whether the last answer was all that there is to know. If not, it is asked for again soon.
    fn is_whole(&self) -> bool {
        true
    }
}
