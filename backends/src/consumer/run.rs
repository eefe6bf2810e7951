//! The loop of a consumer.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kit::metrics::Metrics;
use parking_lot::Mutex;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{Consumer, Failure, progress::Reporter};
use crate::{
    backoff::Backoff,
    bus::{BusError, Delivered, Positions, Subscription},
    dead_letters,
    outbox::Origin,
};

/// How often the lag is measured.
const METER: Duration = Duration::from_secs(1);

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
        at_hand: Mutex::new(None),
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
    if let Err(error) = subscription.close().await {
        tracing::debug!(%error, "the last positions were not stored; their records come again");
    }
    ended
}

struct Running<'a> {
    consumer: &'a Consumer,
    topics: &'a [&'a str],
    reporter: &'a Reporter,
    /// When the log took the record that is being applied.
    at_hand: Mutex<Option<DateTime<Utc>>>,
}

impl Running<'_> {
    /// Subscribes, and notes what there is to catch up with.
    async fn connect(&self) -> anyhow::Result<(Box<dyn Subscription>, Positions)> {
        let Consumer {
            bus, group, start, ..
        } = self.consumer;
        let mut backoff = Backoff::of_the_bus();
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
        let Consumer { name, handler, .. } = self.consumer;
        let mut backoff = Backoff::of_the_bus();
        let mut elsewhere = subscription.elsewhere();
        let mut ahead = Some(target);
        loop {
            if ahead
                .take_if(|target| self.reporter.covers(target))
                .is_some()
            {
                handler.caught_up().await;
                self.reporter.caught_up();
            }
            let next = tokio::select! {
                biased;
                next = subscription.next() => next,
                () = moved(&mut elsewhere) => {
                    self.reporter.reached(&elsewhere.borrow_and_update());
                    continue;
                }
            };
            let delivered = match next {
                Ok(delivered) => delivered,
                Err(error) => {
                    self.pause(error, &mut backoff).await?;
                    continue;
                }
            };
            *self.at_hand.lock() = Some(delivered.at);
            self.apply(&delivered).await?;
            *self.at_hand.lock() = None;
            self.show_age(delivered.at);
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
        let Consumer { name, .. } = self.consumer;
        let origin = Origin::of(&delivered.record.headers);
        let applied = origin.within(self.try_until_applied(delivered)).await;
        origin.end(name, &delivered.record.topic, !matches!(applied, Ok(true)));
        applied.map(drop)
    }

    /// False when it lies in the dead letters.
    async fn try_until_applied(&self, delivered: &Delivered) -> anyhow::Result<bool> {
        let Consumer { name, handler, .. } = self.consumer;
        let mut backoff = Backoff::new();
        loop {
            match handler.apply(delivered).await {
                Ok(()) => return Ok(true),
                Err(Failure::Poison(reason)) => {
                    self.bury(delivered, &reason).await?;
                    return Ok(false);
                }
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
        let mut backoff = Backoff::of_the_bus();
        // durable before the position moves on, else the record would be lost
        while let Err(error) = bus.publish(vec![dead_letters::of(delivered, reason)]).await {
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

    /// The age of an event at this moment. While nothing is at hand it stays what it was when the last one was applied: on a
    /// quiet topic nothing is wrong.
    fn show_age(&self, at: DateTime<Utc>) {
        let Consumer {
            name,
            clock,
            metrics,
            ..
        } = self.consumer;
        metrics
            .gauge("consumer_event_age_seconds", &[("consumer", name)])
            .set((clock.now() - at).as_seconds_f64().max(0.0));
    }

    /// Measures beside the work, so that lag and age grow while a record is being retried.
    async fn meter(&self) {
        let Consumer {
            name, bus, metrics, ..
        } = self.consumer;
        describe(metrics);
        let mut tick = tokio::time::interval(METER);
        loop {
            tick.tick().await;
            let at_hand = *self.at_hand.lock();
            if let Some(at) = at_hand {
                self.show_age(at);
            }
            let positions = self.reporter.positions();
            for &topic in self.topics {
                let Ok(ends) = bus.ends(&[topic]).await else {
                    continue;
                };
                metrics
                    .gauge("consumer_lag", &[("consumer", name), ("topic", topic)])
                    .set(positions.behind(&ends) as f64);
                for (topic, partition, _) in ends.iter() {
                    let partition_label = partition.to_string();
                    let labels = [
                        ("consumer", name.as_str()),
                        ("topic", topic),
                        ("partition", partition_label.as_str()),
                    ];
                    // -1 before the first, as the next position is then 0
                    metrics
                        .gauge("consumer_applied_offset", &labels)
                        .set((positions.next(topic, partition) - 1) as f64);
                }
            }
        }
    }
}

/// Until a position moved otherwise than by a record.
async fn moved(elsewhere: &mut watch::Receiver<Positions>) {
    if elsewhere.changed().await.is_err() {
        // nobody is left who could say so
        std::future::pending::<()>().await;
    }
}

fn describe(metrics: &Metrics) {
    for (name, text) in [
        (
            "consumer_lag",
            "records of the topic not applied yet; counts the holes of compacted topics",
        ),
        (
            "consumer_applied_offset",
            "offset of the last record applied",
        ),
        (
            "consumer_event_age_seconds",
            "age of the last record when it was applied; of the one at hand while it is retried",
        ),
    ] {
        metrics.describe_gauge(name, text);
    }
}
