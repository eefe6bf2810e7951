//! Keeps the stream: follows the bus, builds the stream at the start and whenever that is asked for or its state is lost.

use std::sync::Arc;
use std::time::Duration;

use backends::bus::{Bus, Start};
use backends::consumer::Consumer;
use kit::service::Worker;
use tokio_util::sync::CancellationToken;

use crate::events::{Projector, TOPICS};
use crate::rebuild::build::Builder;
use crate::rebuild::refill::Refiller;
use crate::rebuild::{Cause, Rebuilds, Run};
use crate::store::StoreError;

/// How often the stream is counted for the metrics.
const METER: Duration = Duration::from_secs(5);
/// How long after a failure a rebuild that must be is tried again at most: whatever was away is made good for within seconds of
/// its return.
const LONGEST: Duration = Duration::from_secs(5);
/// How often it is looked whether another instance has built the stream.
const LOOK: Duration = Duration::from_millis(250);

/// What one worker does.
pub(crate) struct Keeper {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) group: String,
    pub(crate) projector: Projector,
    pub(crate) builder: Builder,
    pub(crate) refiller: Refiller,
    pub(crate) rebuilds: Rebuilds,
}

impl Keeper {
    pub(crate) fn worker(self) -> Worker {
        Worker::new("feed", |stop| async move { self.run(stop).await })
    }

    async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let _open = self.rebuilds.open();
        tokio::select! {
            ended = self.follow(stop) => ended,
            () = self.rebuild() => Ok(()),
            () = self.refiller.run() => Ok(()),
            () = self.meter() => Ok(()),
            () = self.hear() => Ok(()),
        }
    }

    /// Applies what happens. It goes on where the group was, so that nothing told while no feed ran is passed over.
    async fn follow(&self, stop: CancellationToken) -> anyhow::Result<()> {
        let pulse = &self.projector.pulse;
        // There is no stream yet that an event could be applied to.
        if stop.run_until_cancelled(pulse.begun()).await.is_none() {
            return Ok(());
        }
        let consumer = Consumer {
            name: "feed".to_owned(),
            bus: self.bus.clone(),
            group: self.group.clone(),
            topics: TOPICS.map(str::to_owned).to_vec(),
            start: Start::Committed,
            handler: Arc::new(self.projector.clone()),
            clock: self.projector.clock.clone(),
            metrics: self.projector.metrics.clone(),
        };
        let _following = pulse.follow();
        consumer.run(|progress| pulse.watch(progress), stop).await
    }

    /// One rebuild after the other.
    async fn rebuild(&self) {
        let mut cause = Cause::Start;
        loop {
            let run = self.rebuilds.begin(cause);
            if cause == Cause::Asked {
                self.once(run).await;
            } else {
                self.until_done(run).await;
            }
            cause = tokio::select! {
                () = self.projector.pulse.lost() => {
                    tracing::warn!("the stream's state is gone and is built again");
                    Cause::Lost
                }
                () = self.rebuilds.asked() => Cause::Asked,
            };
        }
    }

    async fn once(&self, run: Run) {
        match self.builder.build(&run).await {
            Ok(()) => done(run),
            Err(error) => {
                let report = run.end(Some(&format!("{error:#}")));
                tracing::error!(
                    job = report.job,
                    error = format!("{error:#}"),
                    "the stream could not be rebuilt; it stays as it was"
                );
            }
        }
    }

    /// Nothing is shown, or perhaps not all of it: there is no giving up.
    async fn until_done(&self, run: Run) {
        let mut wait = Duration::from_millis(100);
        let before = self.shown().await;
        while let Err(error) = self.builder.build(&run).await {
            if let Some(StoreError::Busy) = error.downcast_ref() {
                if self.is_built_elsewhere(before.as_deref()).await {
                    break;
                }
                continue;
            }
            tracing::warn!(
                error = format!("{error:#}"),
                retry_ms = wait.as_millis(),
                "the stream cannot be filled yet"
            );
            run.again(&format!("{error:#}"));
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST);
        }
        done(run);
    }

    /// The name of the stream that is shown, if there is one.
    async fn shown(&self) -> Option<String> {
        let figures = self.projector.store.figures().await.ok()?;
        figures.published.then_some(figures.prefix)
    }

    /// Another instance is building the stream: what it builds is as good as ours, once it is shown.
    async fn is_built_elsewhere(&self, before: Option<&str>) -> bool {
        let pulse = &self.projector.pulse;
        // Some of what is applied to it is read here.
        pulse.begin();
        tokio::time::sleep(LOOK).await;
        let shown = self.shown().await;
        if shown.is_none() || shown.as_deref() == before {
            return false;
        }
        pulse.found();
        pulse.beat();
        pulse.thin();
        true
    }

    /// What other instances apply is news here too.
    async fn hear(&self) {
        loop {
            self.projector.store.news().await;
            self.projector.pulse.beat();
        }
    }

    /// Counts beside the work, so that no event waits for it.
    async fn meter(&self) {
        let Projector { store, metrics, .. } = &self.projector;
        let mut tick = tokio::time::interval(METER);
        loop {
            tick.tick().await;
            if let Ok(figures) = store.figures().await {
                metrics.gauge("feed_items", &[]).set(figures.items as f64);
                metrics.gauge("feed_bytes", &[]).set(figures.bytes as f64);
            }
        }
    }
}

fn done(run: Run) {
    let report = run.end(None);
    tracing::info!(
        job = report.job,
        items = report.items,
        seconds = report.seconds,
        "the stream is filled from the posts"
    );
}
