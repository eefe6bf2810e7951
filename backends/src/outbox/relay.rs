//! The relay: sends the outbox to the bus in order, one relay per outbox at a time.

use std::{pin::pin, sync::Arc, time::Duration};

use kit::{clock::SharedClock, ids::SharedIds, metrics::Metrics, service::Worker};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Outbox, Waiting};
use crate::{
    backoff::Backoff,
    bus::{Bus, Record},
    db::Error,
    lease::Claim,
};

/// Short, so that after a crash the next process waits at most this long; renewed three times as often.
const LEASE: Duration = Duration::from_secs(3);
/// The net under the wake-up by commits: what another process committed is seen within this.
const POLL: Duration = Duration::from_secs(1);
const BATCH: usize = 256;
/// How long the last drain at shutdown may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// The worker that delivers an outbox to `bus`. Any number may run on one store: they share a lease, and without work
/// none of them writes anything.
///
/// Metrics, each with the label `store` ([`Outbox::store`]): `outbox_depth` (gauge: events not delivered yet),
/// `outbox_sent_total`, `outbox_failures_total`.
pub fn relay(
    outbox: impl Outbox,
    bus: Arc<dyn Bus>,
    clock: SharedClock,
    ids: SharedIds,
    metrics: Metrics,
) -> Worker {
    Worker::new("outbox-relay", move |stop| async move {
        let relay = Relay {
            holder: ids.uuid().to_string(),
            outbox,
            bus,
            clock,
            metrics,
            held_until: None,
            last: None,
            read: None,
            measured: None,
        };
        relay.run(stop).await;
        Ok(())
    })
}

struct Relay<O: Outbox> {
    outbox: O,
    bus: Arc<dyn Bus>,
    clock: SharedClock,
    metrics: Metrics,
    holder: String,
    held_until: Option<Instant>,
    /// The place of the last event that was sent under this lease.
    last: Option<O::Place>,
    /// When the outbox was read last.
    read: Option<Instant>,
    /// When the outbox was counted last.
    measured: Option<Instant>,
}

/// What one step found.
enum Step {
    Idle,
    Sent {
        count: usize,
        /// Nothing else waited, as far as was looked.
        all: bool,
    },
    /// Another relay holds the lease.
    Elsewhere,
}

impl<O: Outbox> Relay<O> {
    async fn run(mut self, stop: CancellationToken) {
        // Dropping a step half-way is harmless: what was published and not yet deleted is sent again, and taken once.
        stop.run_until_cancelled(self.serve()).await;
        if timeout(FAREWELL, self.drain()).await.is_err() {
            tracing::info!("the bus is slow; the rest of the outbox is sent after the next start");
        }
        if self.held_until.is_some()
            && let Err(error) = self.outbox.release(&self.holder).await
        {
            tracing::debug!(%error, "the lease of the outbox runs out by itself");
        }
    }

    async fn serve(&mut self) {
        let store = self.outbox.store().to_owned();
        let label = [("store", store.as_str())];
        let depth = self.metrics.gauge("outbox_depth", &label);
        let sent = self.metrics.counter("outbox_sent_total", &label);
        let failures = self.metrics.counter("outbox_failures_total", &label);
        self.metrics.describe_gauge(
            "outbox_depth",
            "events that were not delivered to the bus yet",
        );
        let mut commits = self.outbox.news();
        let mut backoff = Backoff::new();
        loop {
            // seen before the read: a commit after it wakes again
            commits.borrow_and_update();
            match self.step().await {
                Ok(Step::Sent { count, all: false }) => {
                    backoff.reset();
                    sent.increment(count as u64);
                    if count == BATCH {
                        self.measure().await;
                    }
                }
                Ok(done @ (Step::Sent { .. } | Step::Idle)) => {
                    backoff.reset();
                    if let Step::Sent { count, .. } = done {
                        sent.increment(count as u64);
                    }
                    depth.set(0.0);
                    // the sender of the watch lives in the store held here: changed() cannot fail
                    let _ = timeout(POLL, commits.changed()).await;
                }
                Ok(Step::Elsewhere) => {
                    self.measure().await;
                    sleep(POLL).await;
                }
                Err(error) => {
                    failures.increment(1);
                    self.measure().await;
                    let wait = backoff.next();
                    tracing::warn!(
                        error = format!("{error:#}"),
                        retry_in_ms = wait.as_millis() as u64,
                        "the outbox could not be delivered"
                    );
                    sleep(wait).await;
                }
            }
        }
    }

    /// At most once a second: a long outbox takes a while to count.
    async fn measure(&mut self) {
        if self.measured.is_some_and(|at| at.elapsed() < POLL) {
            return;
        }
        if let Ok(waiting) = self.outbox.depth().await {
            self.metrics
                .gauge("outbox_depth", &[("store", self.outbox.store())])
                .set(waiting as f64);
        }
        self.measured = Some(Instant::now());
    }

    /// Sends what is there, as long as it goes well.
    async fn drain(&mut self) {
        while let Ok(Step::Sent { .. }) = self.step().await {}
    }

    async fn step(&mut self) -> anyhow::Result<Step> {
        if !self.holds(LEASE * 2 / 3) {
            // Without work nobody takes the lease, so that nothing is written.
            if self.outbox.is_empty().await? {
                return Ok(Step::Idle);
            }
            // Somebody else may have had it meanwhile, and sent.
            self.last = None;
            if !self.renew().await? {
                return Ok(Step::Elsewhere);
            }
        }
        // Known or read under the lease: what is read before it may have been sent by the holder before us.
        let waiting = match self.next_written() {
            Some(events) => Waiting { events, all: true },
            None => {
                self.read = Some(Instant::now());
                self.outbox.oldest(BATCH).await?
            }
        };
        let Some((last, _)) = waiting.events.last() else {
            return Ok(Step::Idle);
        };
        let last = last.clone();
        let (places, records): (Vec<_>, Vec<_>) = waiting.events.into_iter().unzip();
        let (outbox, bus) = (self.outbox.clone(), Arc::clone(&self.bus));
        let send = async move {
            // What is not on disk yet may be lost in a power cut; nobody must hear of it before.
            outbox.synced().await?;
            bus.publish(records).await?;
            anyhow::Ok(())
        };
        // unless it goes well
        self.last = None;
        match self.while_held(send).await? {
            Some(result) => result?,
            None => return Ok(Step::Elsewhere),
        }
        self.outbox.discard(&places).await?;
        self.last = Some(last);
        // Now, so that the next event need not wait for it.
        if !self.holds(LEASE * 5 / 6) {
            self.renew().await?;
        }
        Ok(Step::Sent {
            count: places.len(),
            all: waiting.all && self.read.is_some_and(|at| at.elapsed() < POLL / 2),
        })
    }

    /// What was written here, if it is known that nothing else waits before it. What others wrote is seen by reading, which is
    /// done as often as if nothing was written here.
    fn next_written(&self) -> Option<Vec<(O::Place, Record)>> {
        let written = self.outbox.written();
        let mut before = self.last.as_ref()?;
        for (place, _) in &written {
            if !self.outbox.follows(before, place) {
                return None;
            }
            before = place;
        }
        let is_fresh = self.read.is_some_and(|at| at.elapsed() < POLL);
        (is_fresh && !written.is_empty()).then_some(written)
    }

    fn claim(&self) -> Claim<'_> {
        Claim {
            holder: &self.holder,
            duration: LEASE,
            now: self.clock.now(),
        }
    }

    /// Whether the lease is held for at least so long.
    fn holds(&self, long: Duration) -> bool {
        self.held_until
            .is_some_and(|until| until > Instant::now() + long)
    }

    async fn renew(&mut self) -> Result<bool, Error> {
        let asked = Instant::now();
        let taken = self.outbox.take(self.claim()).await?;
        self.held_until = taken.then_some(asked + LEASE);
        Ok(taken)
    }

    /// Runs `work` and renews the lease beside it; gives `work` up, with None, when the lease cannot be kept.
    async fn while_held<T>(&mut self, work: impl Future<Output = T>) -> Result<Option<T>, Error> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(Some(done)),
                () = sleep(LEASE / 3) => {}
            }
            match timeout(LEASE / 3, self.renew()).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) | Err(_) => {
                    self.held_until = None;
                    return Ok(None);
                }
                Ok(Err(error)) => {
                    self.held_until = None;
                    return Err(error);
                }
            }
        }
    }
}
