//! The relay: sends the outbox to the bus in order, one relay per outbox at a time.

use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use kit::{clock::SharedClock, ids::SharedIds, metrics::Metrics, service::Worker};
use sqlx::{AssertSqlSafe, types::Json};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    backoff::Backoff,
    bus::{Bus, Record},
    db::{Db, Error},
    lease,
};

const LEASE_NAME: &str = "outbox";
/// Short, so that after a crash the next process waits at most this long; renewed three times as often.
const LEASE: Duration = Duration::from_secs(3);
/// The net under the wake-up by commits: what another process committed is seen within this.
const POLL: Duration = Duration::from_secs(1);
const BATCH: i64 = 256;
/// How long the last drain at shutdown may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// The worker that delivers the outbox of `db` to `bus`. Any number may run on one database: they share a lease, and
/// without work none of them writes anything.
///
/// Metrics, each with the label `store` ([`Db::name`]): `outbox_depth` (gauge: events not delivered yet),
/// `outbox_sent_total`, `outbox_failures_total`.
pub fn relay(
    db: Db,
    bus: Arc<dyn Bus>,
    clock: SharedClock,
    ids: SharedIds,
    metrics: Metrics,
) -> Worker {
    Worker::new("outbox-relay", move |stop| async move {
        let relay = Relay {
            holder: ids.uuid().to_string(),
            db,
            bus,
            clock,
            metrics,
            held_until: None,
            measured: None,
        };
        relay.run(stop).await;
        Ok(())
    })
}

struct Relay {
    db: Db,
    bus: Arc<dyn Bus>,
    clock: SharedClock,
    metrics: Metrics,
    holder: String,
    held_until: Option<Instant>,
    /// When the outbox was counted last.
    measured: Option<Instant>,
}

/// What one step found.
enum Step {
    Idle,
    Sent(usize),
    /// Another relay holds the lease.
    Elsewhere,
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    topic: String,
    key: String,
    event_id: Uuid,
    event_type: String,
    payload: Vec<u8>,
    headers: Json<BTreeMap<String, String>>,
    at: DateTime<Utc>,
}

impl Relay {
    async fn run(mut self, stop: CancellationToken) {
        // Dropping a step half-way is harmless: what was published and not yet deleted is sent again, and taken once.
        stop.run_until_cancelled(self.serve()).await;
        if timeout(FAREWELL, self.drain()).await.is_err() {
            tracing::info!("the bus is slow; the rest of the outbox is sent after the next start");
        }
        if self.held_until.is_some()
            && let Err(error) = lease::release(&self.db, LEASE_NAME, &self.holder).await
        {
            tracing::debug!(%error, "the lease of the outbox runs out by itself");
        }
    }

    async fn serve(&mut self) {
        let store = self.db.name().to_owned();
        let label = [("store", store.as_str())];
        let depth = self.metrics.gauge("outbox_depth", &label);
        let sent = self.metrics.counter("outbox_sent_total", &label);
        let failures = self.metrics.counter("outbox_failures_total", &label);
        self.metrics.describe_gauge(
            "outbox_depth",
            "events that were not delivered to the bus yet",
        );
        let mut commits = self.db.outbox_commits();
        let mut backoff = Backoff::new();
        loop {
            // seen before the read: a commit after it wakes again
            commits.borrow_and_update();
            match self.step().await {
                Ok(Step::Sent(count)) => {
                    backoff.reset();
                    sent.increment(count as u64);
                    // a short batch was the last, and the next step says so
                    if count as i64 == BATCH {
                        self.measure().await;
                    }
                }
                Ok(Step::Idle) => {
                    backoff.reset();
                    depth.set(0.0);
                    // the sender of the watch lives in the database handle held here: changed() cannot fail
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
        if let Ok(waiting) = super::depth(&self.db).await {
            self.metrics
                .gauge("outbox_depth", &[("store", self.db.name())])
                .set(waiting as f64);
        }
        self.measured = Some(Instant::now());
    }

    /// Sends what is there, as long as it goes well.
    async fn drain(&mut self) {
        while let Ok(Step::Sent(_)) = self.step().await {}
    }

    async fn step(&mut self) -> anyhow::Result<Step> {
        if super::depth_is_zero(&self.db).await? {
            return Ok(Step::Idle);
        }
        if !self.hold().await? {
            return Ok(Step::Elsewhere);
        }
        // Read under the lease: rows read before it may have been sent by the holder before us.
        let rows: Vec<Row> = self
            .db
            .query("SELECT seq, topic, key, event_id, event_type, payload, headers, at FROM outbox ORDER BY seq LIMIT $1")
            .bind(BATCH)
            .all()
            .await?;
        let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
        let records = rows.into_iter().map(Row::into_record).collect();
        let (db, bus) = (self.db.clone(), Arc::clone(&self.bus));
        let send = async move {
            // What is not on disk yet may be lost in a power cut; nobody must hear of it before.
            db.synced().await?;
            bus.publish(records).await?;
            anyhow::Ok(())
        };
        match self.while_held(send).await? {
            Some(result) => result?,
            None => return Ok(Step::Elsewhere),
        }
        self.delete(&seqs).await?;
        Ok(Step::Sent(seqs.len()))
    }

    /// True if the lease is held for at least two thirds of its time.
    async fn hold(&mut self) -> Result<bool, Error> {
        if self
            .held_until
            .is_some_and(|until| until > Instant::now() + LEASE * 2 / 3)
        {
            return Ok(true);
        }
        self.renew().await
    }

    async fn renew(&mut self) -> Result<bool, Error> {
        let asked = Instant::now();
        let taken =
            lease::take(&self.db, LEASE_NAME, &self.holder, LEASE, self.clock.now()).await?;
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

    /// Removes what the bus has, and renews the lease in the same transaction. Relaxed: a deletion lost in a power cut
    /// means that the events are sent again, and taken once.
    async fn delete(&mut self, seqs: &[i64]) -> Result<(), Error> {
        let asked = Instant::now();
        let mut tx = self.db.begin().await?;
        let held =
            lease::take_in(&mut tx, LEASE_NAME, &self.holder, LEASE, self.clock.now()).await?;
        for chunk in seqs.chunks(64) {
            // Padded to one length, so that there is one statement to prepare and not 64.
            let slots: Vec<String> = (1..=64).map(|slot| format!("${slot}")).collect();
            let sql = format!("DELETE FROM outbox WHERE seq IN ({})", slots.join(", "));
            let mut query = tx.query(AssertSqlSafe(sql));
            for slot in 0..64 {
                query = query.bind(chunk.get(slot).copied().unwrap_or(-1));
            }
            query.execute().await?;
        }
        tx.commit_relaxed().await?;
        self.held_until = held.then_some(asked + LEASE);
        Ok(())
    }
}

impl Row {
    fn into_record(self) -> Record {
        let Json(mut headers) = self.headers;
        let time = self.at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        for (name, value) in [
            ("ce_id", self.event_id.to_string()),
            ("ce_type", self.event_type),
            ("ce_time", time),
            ("content-type", "application/json".to_owned()),
        ] {
            headers.entry(name.to_owned()).or_insert(value);
        }
        Record {
            topic: self.topic,
            key: Some(self.key),
            payload: self.payload.into(),
            headers,
            event_id: Some(self.event_id),
        }
    }
}
