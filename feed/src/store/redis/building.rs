//! Building a stream: one instance at a time holds a lease while it does, and says all the while that it is still there. What
//! nobody needs any longer is dropped in small steps beside the work.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::core::{Core, Said};
use super::reply::strange;
use crate::store::StoreError;

/// How long who builds is believed to be there after they said so.
const LEASE: Duration = Duration::from_secs(5);
/// How often they say so.
const RENEWAL: Duration = Duration::from_secs(1);
/// Lines dropped in one step.
const LINES: usize = 200;

/// Ends with what holds it.
#[derive(Debug)]
pub(super) struct Renewing(JoinHandle<()>);

impl Drop for Renewing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Core {
    /// Starts a generation; the lease lasts as long as what this gives beside its number.
    pub(super) async fn begin(
        self: &Arc<Self>,
        me: Uuid,
        now: DateTime<Utc>,
    ) -> Result<(u64, Renewing), StoreError> {
        // By time, and above every number known here, so that no log is taken for another one after all is lost.
        let least = now.timestamp_micros().max(1).cast_unsigned();
        let least = least.max(self.seen().generation + 1);
        let words = [
            me.to_string(),
            LEASE.as_millis().to_string(),
            least.to_string(),
        ];
        let generation = match self.run(&self.scripts.begin, now, &words).await? {
            Said::Word(_, mut reply) => reply.generation()?,
            Said::Cold | Said::Nothing => return Err(strange("a generation")),
        };
        self.sweep();
        let core = self.clone();
        let renewing = tokio::spawn(async move { core.renew(me, generation).await });
        Ok((generation, Renewing(renewing)))
    }

    async fn renew(&self, me: Uuid, generation: u64) {
        let words = [
            me.to_string(),
            generation.to_string(),
            LEASE.as_millis().to_string(),
        ];
        loop {
            tokio::time::sleep(RENEWAL).await;
            let renewed = self
                .run(&self.scripts.renew, DateTime::UNIX_EPOCH, &words)
                .await;
            if matches!(renewed, Err(StoreError::Superseded)) {
                return;
            }
        }
    }

    /// Shows what was built, or gives it up.
    pub(super) async fn end(
        self: &Arc<Self>,
        me: Uuid,
        generation: u64,
        show: bool,
    ) -> Result<(), StoreError> {
        let what = if show { "show" } else { "abandon" };
        let words = [me.to_string(), generation.to_string(), what.to_owned()];
        self.run(&self.scripts.abandon_or_show, DateTime::UNIX_EPOCH, &words)
            .await?;
        self.forget_floors();
        self.sweep();
        Ok(())
    }

    /// Drops what nobody needs. What is left when that fails is dropped after the next rebuild.
    fn sweep(self: &Arc<Self>) {
        let core = self.clone();
        tokio::spawn(async move {
            let words = [LINES.to_string()];
            loop {
                match core
                    .run(&core.scripts.sweep, DateTime::UNIX_EPOCH, &words)
                    .await
                {
                    Ok(Said::Word(word, _)) if word == "more" => {}
                    Ok(_) => return,
                    Err(error) => {
                        tracing::info!(%error, "an old stream is dropped after the next rebuild");
                        return;
                    }
                }
            }
        });
    }
}
