//! The loop of a consumer.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Consumer, Failure, dead_letter, progress::Reporter};
use crate::{
    backoff::Backoff,
    bus::{BusError, Delivered, Positions, Subscription},
};

/// How often the lag is measured.
const METER: Duration = Duration::from_secs(5);

pub(super) async fn run(
    consumer: Consumer,
    reporter: Reporter,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let topics: Vec<&str> = consumer.topics.iter().map(String::as_str).collect();
    let running = Running {
        consumer: &consumer,
        topics: &topics,
        reporter: &reporter,
    };
    let Some(connected) = stop.run_until_cancelled(running.connect()).await else {
        return Ok(());
    };
    let (mut subscription, target) = connected?;
    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => Ok(()),
        ended = running.consume(subscription.as_mut(), target) => ended,
        () = running.meter() => Ok(()),
    };
    if let Err(error) = subscription.flush().await {
        tracing::debug!(%error, "the last positions were not stored; their records come again");
    }
    ended
}

struct Running<'a> {
    consumer: &'a Consumer,
    topics: &'a [&'a str],
    reporter: &'a Reporter,
}

impl Running<'_> {
    /// Subscribes, and notes what there is to catch up with.
    async fn connect(&self) -> anyhow::Result<(Box<dyn Subscription>, Positions)> {
        let Consumer {
            bus, group, start, ..
        } = self.consumer;
        let mut backoff = Backoff::new();
        loop {
            let connected = async {
                let subscription = bus.subscribe(group, self.topics, start.clone()).await?;
                Ok((subscription, bus.ends(self.topics).await?))
            };
            match connected.await {
                Ok((subscription, ends)) => {
                    self.reporter.begin(subscription.start());
                    return Ok((subscription, ends));
                }
                Err(error) => self.pause(error, &mut backoff).await?,
            }
        }
    }

    /// Applies records for ever; ends only with a mistake in the configuration.
    async fn consume(
        &self,
        subscription: &mut dyn Subscription,
        target: Positions,
    ) -> anyhow::Result<()> {
        let Consumer {
            name,
            handler,
            clock,
            metrics,
            ..
        } = self.consumer;
        let age = metrics.histogram("consumer_event_age_seconds", &[("consumer", name)]);
        let mut backoff = Backoff::new();
        let mut ahead = Some(target);
        loop {
            if ahead
                .take_if(|target| self.reporter.covers(target))
                .is_some()
            {
                handler.caught_up().await;
                self.reporter.caught_up();
            }
            let delivered = match subscription.next().await {
                Ok(delivered) => delivered,
                Err(error) => {
                    self.pause(error, &mut backoff).await?;
                    continue;
                }
            };
            self.apply(&delivered).await?;
            age.record((clock.now() - delivered.at).as_seconds_f64().max(0.0));
            // Applied, then noted: a failure here means that it comes again after a restart, nothing more.
            match subscription.commit(&delivered).await {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    tracing::warn!(consumer = %name, %error, "a position could not be stored");
                }
            }
            self.reporter.passed(&delivered);
        }
    }

    /// Applies one record, however long it takes, or hands it to the dead letters.
    async fn apply(&self, delivered: &Delivered) -> anyhow::Result<()> {
        let Consumer { name, handler, .. } = self.consumer;
        let mut backoff = Backoff::new();
        loop {
            match handler.apply(delivered).await {
                Ok(()) => return Ok(()),
                Err(Failure::Poison(reason)) => return self.bury(delivered, &reason).await,
                Err(Failure::Retry(error)) => {
                    let wait = backoff.next();
                    tracing::warn!(
                        consumer = %name, topic = %delivered.record.topic, offset = delivered.offset,
                        error = format!("{error:#}"), retry_in_ms = wait.as_millis() as u64,
                        "a record could not be applied and is tried again"
                    );
                    self.reporter.failing(Some(format!("{error:#}")));
                    sleep(wait).await;
                }
            }
        }
    }

    async fn bury(&self, delivered: &Delivered, reason: &str) -> anyhow::Result<()> {
        let Consumer {
            name, bus, metrics, ..
        } = self.consumer;
        let mut backoff = Backoff::new();
        // durable before the position moves on, else the record would be lost
        while let Err(error) = bus.publish(vec![dead_letter::of(delivered, reason)]).await {
            self.pause(error, &mut backoff).await?;
        }
        metrics
            .counter(
                "dlq_total",
                &[("consumer", name), ("topic", &delivered.record.topic)],
            )
            .increment(1);
        tracing::error!(
            consumer = %name, topic = %delivered.record.topic, partition = delivered.partition, offset = delivered.offset,
            reason, "a record cannot be applied and lies in the dead letters"
        );
        Ok(())
    }

    /// Waits after a failure of the bus; a mistake in the configuration does not pass by waiting.
    async fn pause(&self, error: BusError, backoff: &mut Backoff) -> anyhow::Result<()> {
        if !matches!(error, BusError::Unavailable(_)) {
            return Err(error.into());
        }
        let wait = backoff.next();
        tracing::warn!(consumer = %self.consumer.name, %error, retry_in_ms = wait.as_millis() as u64, "the bus fails");
        self.reporter.failing(Some(error.to_string()));
        sleep(wait).await;
        self.reporter.failing(None);
        Ok(())
    }

    /// Measures the lag beside the work, so that it grows while a record is being retried.
    async fn meter(&self) {
        let Consumer {
            name, bus, metrics, ..
        } = self.consumer;
        let mut tick = tokio::time::interval(METER);
        loop {
            tick.tick().await;
            for &topic in self.topics {
                if let Ok(ends) = bus.ends(&[topic]).await {
                    let lag = self.reporter.positions().behind(&ends);
                    metrics
                        .gauge("consumer_lag", &[("consumer", name), ("topic", topic)])
                        .set(lag as f64);
                }
            }
        }
    }
}
