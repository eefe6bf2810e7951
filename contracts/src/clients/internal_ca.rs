//! What the TLS addresses inside the deployment are trusted by.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use kit::peer::Peer;
use kit::problem::Problem;

use crate::ca::{CaBundle, LONGEST};

/// Time that the whole answer has: it is read line by line, and a line that never ends would never time out.
const PATIENCE: Duration = Duration::from_secs(5);

/// The deployment's own certificate authority, which auth keeps.
#[async_trait]
pub trait InternalCa: Send + Sync {
    /// The certificates that vouch for auth's internal TLS address: the one that signs at the moment, and those before and
    /// after it while it changes. Ask again from time to time (a new one is told a day before it signs), and replace all by
    /// what is answered.
    ///
    /// # Errors
    /// 404 `no_internal_ca` where auth has no TLS address; 503 when auth or its store cannot answer.
    async fn certificates(&self) -> Result<CaBundle, Problem>;
}

/// Auth in another process.
#[derive(Clone, Debug)]
pub struct HttpInternalCa {
    peer: Peer,
}

impl HttpInternalCa {
    /// Asks over this peer.
    #[must_use]
    pub fn new(peer: Peer) -> Self {
        Self { peer }
    }

    async fn read(&self) -> Result<CaBundle, Problem> {
        let mut lines = self.peer.get_lines("/internal/auth/ca").await?;
        let mut pem = String::new();
        while let Some(line) = lines.try_next().await? {
            pem.push_str(&line);
            pem.push('\n');
            if pem.len() > LONGEST {
                break;
            }
        }
        CaBundle::parse(&pem).map_err(unavailable)
    }
}

#[async_trait]
impl InternalCa for HttpInternalCa {
    async fn certificates(&self) -> Result<CaBundle, Problem> {
        tokio::time::timeout(PATIENCE, self.read())
            .await
            .map_err(unavailable)?
    }
}

fn unavailable(cause: impl Into<anyhow::Error>) -> Problem {
    Problem::unavailable(
        "auth_unavailable",
        "The certificates of auth cannot be read at the moment; try again shortly",
    )
    .cause(cause)
}
