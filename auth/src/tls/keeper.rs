//! The certificate of this instance: in memory only, issued at the start, renewed in time.

use std::time::Duration;

use kit::{SharedClock, server::Tls, service::Worker};
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    authorities::Authorities,
    authority::{Authority, Leaf},
    schedule::Life,
};

/// How often it is looked whether something is to be renewed.
const ROUND: Duration = Duration::from_secs(60);

/// Keeps the certificate of a TLS address good.
pub struct Keeper {
    authorities: Authorities,
    names: Vec<String>,
    clock: SharedClock,
    tls: Tls,
    shown: Mutex<Shown>,
}

/// The certificate that is shown.
struct Shown {
    /// Who issued it, by its certificate: after the store came back from a copy another one may have the same number.
    issuer: Vec<u8>,
    life: Life,
}

impl Keeper {
    /// Issues the first certificate for these names.
    ///
    /// # Errors
    /// The store's, or a name that is none.
    pub async fn start(
        authorities: Authorities,
        names: Vec<String>,
        clock: SharedClock,
    ) -> anyhow::Result<Self> {
        let issuer = authorities.issuer().await?;
        let leaf = issuer.issue(&names, clock.now())?;
        let shown = Shown::of(&issuer, &leaf);
        Ok(Self {
            authorities,
            names,
            clock,
            tls: Tls::new(vec![leaf.certificate], leaf.key)?,
            shown: Mutex::new(shown),
        })
    }

    /// What the listener shows.
    #[must_use]
    pub fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Renews what is to be renewed: the authority when its end is near or its key has retired, the certificate at half its
    /// life and whenever another authority issues.
    ///
    /// # Errors
    /// The store's; the present certificate goes on.
    pub async fn round(&self) -> anyhow::Result<()> {
        let issuer = self.authorities.issuer().await?;
        let now = self.clock.now();
        if !self.shown.lock().is_to_be_renewed(&issuer, now) {
            return Ok(());
        }
        let leaf = issuer.issue(&self.names, now)?;
        let shown = Shown::of(&issuer, &leaf);
        tracing::info!(
            generation = issuer.described.generation, expires_at = %leaf.life.until,
            "the certificate of the internal TLS address was renewed"
        );
        self.tls.renew(vec![leaf.certificate], leaf.key)?;
        *self.shown.lock() = shown;
        Ok(())
    }

    /// Goes round as long as the server runs.
    pub fn worker(self) -> Worker {
        Worker::new("auth-tls", move |stop| async move {
            let mut rounds = interval(ROUND);
            rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while stop.run_until_cancelled(rounds.tick()).await.is_some() {
                if let Err(error) = self.round().await {
                    let (cause, expires_at) = (format!("{error:#}"), self.shown.lock().life.until);
                    tracing::warn!(cause, %expires_at, "the certificate of the internal TLS address could not be looked after");
                }
            }
            Ok(())
        })
    }
}

impl Shown {
    fn of(issuer: &Authority, leaf: &Leaf) -> Self {
        Self {
            issuer: issuer.described.certificate.clone(),
            life: leaf.life,
        }
    }

    fn is_to_be_renewed(&self, issuer: &Authority, now: chrono::DateTime<chrono::Utc>) -> bool {
        self.issuer != issuer.described.certificate || self.life.is_half_over(now)
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}
