//! `auth-signals`: a session that ended takes its live streams along. A consumer of its own, so that nothing the stream waits
//! for keeps a revoked reader listening.

use std::sync::Arc;

use async_trait::async_trait;
use backends::bus::{Bus, BusError, Delivered, Start};
use backends::consumer::{Consumer, Failure, Handler};
use contracts::events::SessionRevoked;
use contracts::topics::AUTH_SIGNALS;
use kit::clock::SharedClock;
use kit::metrics::Metrics;
use kit::service::Worker;

use super::hub::Hub;

struct Signals {
    hub: Arc<Hub>,
}

#[async_trait]
impl Handler for Signals {
    async fn apply(&self, delivered: &Delivered) -> Result<(), Failure> {
        let signal = SessionRevoked::read(delivered).map_err(|error| Failure::Poison(error.0))?;
        if let Some(revoked) = signal {
            self.hub.end(revoked.user_id, revoked.session_id);
        }
        Ok(())
    }
}

/// Follows the signals from now on: before, nobody listened here. Every process that has streams must hear all of them, so
/// it begins where the topic ends and not where a group was.
///
/// # Errors
/// The bus does not answer.
pub(crate) async fn worker(
    hub: Arc<Hub>,
    bus: Arc<dyn Bus>,
    group: &str,
    clock: SharedClock,
    metrics: Metrics,
) -> Result<Worker, BusError> {
    let start = Start::At(bus.ends(&[AUTH_SIGNALS.name]).await?);
    let consumer = Consumer {
        name: "feed-signals".to_owned(),
        bus,
        group: format!("{group}-signals"),
        topics: vec![AUTH_SIGNALS.name.to_owned()],
        start,
        handler: Arc::new(Signals { hub }),
        clock,
        metrics,
    };
    Ok(consumer.into_worker().0)
}
