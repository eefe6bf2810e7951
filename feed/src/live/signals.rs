//! `auth-signals`: a session that ended takes its live streams along. A consumer of its own, so that nothing the stream waits
//! for keeps a revoked reader listening.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backends::bus::{Bus, BusError, Delivered, Positions, Start};
use backends::consumer::{Consumer, Failure, Handler};
use contracts::events::SessionRevoked;
use contracts::topics::AUTH_SIGNALS;
use kit::clock::SharedClock;
use kit::metrics::Metrics;
use kit::service::Worker;
use tokio_util::sync::CancellationToken;

use super::hub::Hub;

/// How soon a bus that is away is asked again.
const AGAIN: Duration = Duration::from_secs(1);

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
/// it begins where the topic ends and not where a group was. While a bus that is away does not say where that is, nobody is
/// seated.
///
/// # Errors
/// The bus cannot be used as it is.
pub(crate) async fn worker(
    hub: Arc<Hub>,
    bus: Arc<dyn Bus>,
    group: &str,
    clock: SharedClock,
    metrics: Metrics,
) -> Result<Worker, BusError> {
    let known = end(&*bus).await?;
    match known {
        Some(_) => hub.open(),
        None => tracing::warn!("nobody can follow the stream live until the bus is there"),
    }
    let group = format!("{group}-signals");
    let following = async move |stop: CancellationToken| {
        let start = match known {
            Some(known) => known,
            None => {
                let Some(found) = stop.run_until_cancelled(sought(&*bus)).await else {
                    return Ok(());
                };
                let found = found?;
                hub.open();
                found
            }
        };
        let consumer = Consumer {
            name: "feed-signals".to_owned(),
            bus,
            group,
            topics: vec![AUTH_SIGNALS.name.to_owned()],
            start: Start::At(start),
            handler: Arc::new(Signals { hub }),
            clock,
            metrics,
        };
        consumer.into_worker().0.run(stop).await
    };
    Ok(Worker::new("feed-signals", following))
}

/// Where the signals end; none while the bus is away.
async fn end(bus: &dyn Bus) -> Result<Option<Positions>, BusError> {
    match bus.ends(&[AUTH_SIGNALS.name]).await {
        Ok(ends) => Ok(Some(ends)),
        Err(BusError::Unavailable(error)) => {
            tracing::debug!(%error, "the bus does not say where the signals end");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn sought(bus: &dyn Bus) -> Result<Positions, BusError> {
    loop {
        tokio::time::sleep(AGAIN).await;
        if let Some(found) = end(bus).await? {
            return Ok(found);
        }
    }
}
