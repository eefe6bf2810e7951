//! Filling the stream from the owner's export and following the bus from where it was before the export.

use std::sync::Arc;
use std::time::Duration;

use backends::bus::{Bus, Positions, Start};
use backends::consumer::Consumer;
use contracts::clients::{ExportOrder, ExportRow};
use contracts::topics::POSTS_EVENTS;
use futures_util::StreamExt;
use kit::service::Worker;
use tokio_util::sync::CancellationToken;

use crate::change::{Change, Order, Source};
use crate::events::{NAMES, Projector, TOPICS};

/// How often the stream is counted for the metrics.
const METER: Duration = Duration::from_secs(5);

/// Keeps the stream: fills it, follows, and fills it again when its state is lost.
pub(crate) struct Follower {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) group: String,
    pub(crate) projector: Projector,
}

impl Follower {
    pub(crate) fn worker(self) -> Worker {
        Worker::new("feed", |stop| async move { self.run(stop).await })
    }

    async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            let Some(positions) = stop.run_until_cancelled(self.fill_until_done()).await else {
                break;
            };
            let (round, pulse) = (stop.child_token(), &self.projector.pulse);
            let follow = self
                .consumer(positions)
                .run(|progress| pulse.watch(progress), round.clone());
            tokio::pin!(follow);
            let following = pulse.follow();
            tokio::select! {
                ended = &mut follow => ended?,
                () = pulse.lost() => {
                    tracing::warn!("the stream's state is gone and is filled again");
                    round.cancel();
                    follow.await?;
                }
                () = self.meter() => {}
            }
            drop(following);
        }
        Ok(())
    }

    fn consumer(&self, positions: Positions) -> Consumer {
        let projector = &self.projector;
        Consumer {
            name: "feed".to_owned(),
            bus: self.bus.clone(),
            group: self.group.clone(),
            topics: TOPICS.map(str::to_owned).to_vec(),
            start: Start::At(positions),
            handler: Arc::new(projector.clone()),
            clock: projector.clock.clone(),
            metrics: projector.metrics.clone(),
        }
    }

    /// Counts beside the work, so that no event waits for it.
    async fn meter(&self) {
        let mut tick = tokio::time::interval(METER);
        loop {
            tick.tick().await;
            if let Ok(figures) = self.projector.store.figures().await {
                self.projector
                    .metrics
                    .gauge("feed_items", &[])
                    .set(figures.items as f64);
                self.projector
                    .metrics
                    .gauge("feed_bytes", &[])
                    .set(figures.bytes as f64);
            }
        }
    }

    async fn fill_until_done(&self) -> Positions {
        let mut wait = Duration::from_millis(100);
        loop {
            match self.fill().await {
                Ok(positions) => return positions,
                Err(error) => {
                    tracing::warn!(%error, retry_ms = wait.as_millis(), "the stream cannot be filled yet");
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(30));
        }
    }

    /// Reads the whole export, newest first. That an audience nobody has written to lately fills its window too is known
    /// only at the end.
    async fn fill(&self) -> anyhow::Result<Positions> {
        let Projector {
            store,
            posts,
            clock,
            ..
        } = &self.projector;
        let began = clock.now();
        // Noted before the export starts: what changes meanwhile is read again afterwards, and changes nothing twice.
        let mut positions = self.bus.ends(&[POSTS_EVENTS.name]).await?;
        // Names are in no export: accounts and profiles are read from the beginning.
        for (topic, partition, _) in self.bus.ends(&NAMES).await?.iter() {
            positions.set(topic, partition, 0);
        }
        store.begin().await?;
        let mut rows = posts.export(ExportOrder::Newest);
        let mut count = 0_u64;
        while let Some(row) = rows.next().await {
            let change = match row? {
                ExportRow::Post(post) => Change::owned(post, began, Source::Export),
                ExportRow::Tombstone(gone) => Change::Gone {
                    id: gone.id,
                    order: Order {
                        version: gone.version,
                        rank: 0,
                    },
                    at: gone.deleted_at,
                },
            };
            store.apply(change, None, began).await?;
            count += 1;
        }
        let seconds = (clock.now() - began).as_seconds_f64();
        self.projector
            .metrics
            .gauge("feed_fill_seconds", &[])
            .set(seconds);
        tracing::info!(rows = count, seconds, "the stream is filled from the posts");
        Ok(positions)
    }
}
