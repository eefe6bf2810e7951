//! One rebuild, from the first post to the moment it is shown.

use std::sync::Arc;

use futures_util::stream::{BoxStream, TryStreamExt};
use kit::clock::SharedClock;
use kit::metrics::Metrics;
use parking_lot::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::refill::Refiller;
use super::sources::{Piece, Sources};
use super::{Phase, Run};
use crate::events::TOPICS;
use crate::pulse::Pulse;
use crate::store::Store;

/// Batches on their way to the store at once: the next one is written and read there while the one before is applied.
const AT_ONCE: usize = 3;

/// Builds streams.
pub(crate) struct Builder {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sources: Sources,
    pub(crate) refiller: Refiller,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Metrics,
    pub(crate) pulse: Arc<Pulse>,
}

impl Builder {
    /// Builds a stream and shows it. Until its last step whatever is shown stays as it is, and stays if this fails or is
    /// dropped; what is unfinished then is dropped by the next one at the latest.
    pub(crate) async fn build(&self, run: &Run) -> anyhow::Result<()> {
        let began = self.clock.now();
        let generation = self.store.begin(began).await?;
        self.pulse.begin();
        if let Err(error) = self.fill(generation, run).await {
            if let Err(error) = self.store.abandon(generation).await {
                tracing::info!(%error, "an unfinished stream is dropped by the next rebuild");
            }
            return Err(error);
        }
        self.pulse.found();
        self.pulse.beat();
        // What was removed at the last moment, and may not have been filled up.
        self.pulse.thin();
        let seconds = (self.clock.now() - began).as_seconds_f64();
        self.metrics.gauge("feed_fill_seconds", &[]).set(seconds);
        Ok(())
    }

    async fn fill(&self, generation: u64, run: &Run) -> anyhow::Result<()> {
        // Whatever comes from now on is applied to this stream too, so what is missing ends here. And what the owner told of its
        // posts until here is in the export, which begins after this.
        let ends = self.sources.bus.ends(&TOPICS).await?;
        run.phase(Phase::Export, None);
        // Beside each other: the one waits for the owner's store, the other for the broker.
        let told = Told::of(run);
        let export = async {
            let pieces = self.sources.export(self.clock.now());
            self.add(generation, pieces, |read| run.advance(read))
                .await?;
            told.exported();
            anyhow::Ok(())
        };
        let backlog = async {
            let (kept, pieces) = self.sources.backlog(ends).await?;
            told.kept(kept);
            self.add(generation, pieces, |read| told.read(read)).await
        };
        tokio::try_join!(export, backlog)?;
        run.phase(Phase::CatchUp, None);
        // Nobody is to see a state older than what they were shown meanwhile, by the owner or otherwise.
        let ends = self.sources.bus.ends(&TOPICS).await?;
        anyhow::ensure!(self.pulse.reached(&ends).await, "the feed has ended");
        self.refiller.built(generation).await?;
        Ok(self.store.publish(generation).await?)
    }

    /// Puts everything in, and reads on while the store works; what it holds then is decided by the changes, not by their order.
    async fn add(
        &self,
        generation: u64,
        pieces: BoxStream<'static, anyhow::Result<Piece>>,
        done: impl Fn(u64),
    ) -> anyhow::Result<()> {
        let added = pieces.map_ok(|Piece { batch, read }| {
            let (store, clock) = (self.store.clone(), self.clock.clone());
            // Each on its own: what is put in is written beside reading what comes next.
            let adding = AbortOnDropHandle::new(tokio::spawn(async move {
                store.add(generation, batch, clock.now()).await
            }));
            async move {
                adding.await??;
                anyhow::Ok(read)
            }
        });
        let count = |read| {
            done(read);
            std::future::ready(Ok(()))
        };
        added.try_buffered(AT_ONCE).try_for_each(count).await
    }
}

/// What was read of the bus: told as its own phase, which begins when the export has ended.
struct Told<'a> {
    run: &'a Run,
    backlog: Mutex<Backlog>,
}

#[derive(Default)]
struct Backlog {
    /// How much of it there is, once that is known.
    kept: Option<u64>,
    /// Read while the export went on.
    read: u64,
    exported: bool,
}

impl<'a> Told<'a> {
    fn of(run: &'a Run) -> Self {
        Self {
            run,
            backlog: Mutex::default(),
        }
    }

    fn exported(&self) {
        let mut backlog = self.backlog.lock();
        backlog.exported = true;
        self.run.phase(Phase::Bus, backlog.kept);
        self.run.advance(backlog.read);
    }

    fn kept(&self, kept: u64) {
        let mut backlog = self.backlog.lock();
        backlog.kept = Some(kept);
        if backlog.exported {
            self.run.phase(Phase::Bus, Some(kept));
        }
    }

    fn read(&self, read: u64) {
        let mut backlog = self.backlog.lock();
        if backlog.exported {
            self.run.advance(read);
        } else {
            backlog.read += read;
        }
    }
}
