//! An instance in Consul, from when it can work until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::chance::spread;
use super::own::Own;
use super::standing::Standing;
use super::{Catalog, ConsulError, Registration};
use crate::service::Check;

/// How often a service that cannot work yet is asked again.
const NOT_READY: Duration = Duration::from_millis(250);
/// How often an agent that is away, or refuses, is tried: it is to hear of its instances before anybody hears from it that they are dead.
const AWAY: Duration = Duration::from_millis(300);
/// Between two questions whether Consul still knows an instance; no agent is started anew in so short a time.
const BREATH: Duration = Duration::from_millis(50);
/// What a check may take.
const LONGEST_CHECK: Duration = Duration::from_secs(1);

/// Registers an instance once the service can work, again whenever Consul has lost it, and deregisters it when told to stop.
pub(super) struct Announcement {
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) standing: Standing,
    pub(super) service: &'static str,
    pub(super) own: Own,
    /// What the service cannot work without.
    pub(super) essential: Vec<Check>,
    /// How long one question whether Consul still knows it may wait; then it looks whether what it told is still so.
    pub(super) look: Duration,
}

impl Announcement {
    pub(super) async fn keep(self, stop: CancellationToken) -> anyhow::Result<()> {
        if stop.run_until_cancelled(self.ready()).await.is_none() {
            return Ok(());
        }
        let who = format!("registration of {}", self.service);
        let mut told = None;
        loop {
            // not cut off in the middle: what is on its way could arrive after the deregistration
            let stays = match self.ensure(&mut told).await {
                Ok(id) => {
                    self.standing.well(&who);
                    let question = self.catalog.stays(&id, spread(self.look));
                    match stop.run_until_cancelled(question).await {
                        Some(stays) => stays,
                        None => break,
                    }
                }
                Err(error) => Err(error),
            };
            let pause = match stays {
                Ok(true) => BREATH,
                Ok(false) => {
                    tracing::warn!(target: "consul", service = self.service, "consul has lost this instance");
                    told = None;
                    BREATH
                }
                Err(error) => {
                    // An agent that was started anew takes everybody for dead until its own first check, and would let nobody be
                    // asked meanwhile; whoever tells it again lives.
                    told = None;
                    self.standing.trouble(&who, error);
                    // One that begins may refuse for a moment what it will know, so this is not for the silent ones only.
                    spread(AWAY)
                }
            };
            if stop
                .run_until_cancelled(tokio::time::sleep(pause))
                .await
                .is_none()
            {
                break;
            }
        }
        self.leave().await;
        Ok(())
    }

    /// Waits until the service can work. Later it stays registered whatever happens: it says itself what it lacks, and the
    /// agent's check says whether it lives.
    async fn ready(&self) {
        loop {
            let mut ready = true;
            for check in &self.essential {
                let asked = tokio::time::timeout(LONGEST_CHECK, check.ask()).await;
                ready &= matches!(asked, Ok(Ok(())));
            }
            if ready {
                return;
            }
            tokio::time::sleep(NOT_READY).await;
        }
    }

    /// Tells Consul of the instance as it is now, unless it was told of it so. Its id.
    async fn ensure(&self, told: &mut Option<Registration>) -> Result<String, ConsulError> {
        let now = self.own.registration(self.service).await?;
        let id = now.id.clone();
        if told.as_ref() != Some(&now) {
            self.catalog.register(&now).await?;
            tracing::info!(target: "consul", id, address = now.address, port = now.port, "registered in consul");
            *told = Some(now);
        }
        Ok(id)
    }

    /// Also when it seems that it was not registered: the answer may have been lost.
    async fn leave(&self) {
        let id = self.own.id(self.service);
        match self.catalog.deregister(&id).await {
            Ok(()) => tracing::info!(target: "consul", id, "deregistered from consul"),
            Err(error) => {
                tracing::warn!(target: "consul", id, error = %error, "not deregistered; consul notices by its check");
            }
        }
    }
}
