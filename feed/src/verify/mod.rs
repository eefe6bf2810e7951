//! Whether the stream is what it should be: every window is made again, naively, from what the owner has and what foreign
//! producers told, and compared with the one that is shown. Writes may go on meanwhile.

mod compare;
mod naive;
mod tape;

use std::sync::Arc;
use std::time::Duration;

use contracts::Audience;
use futures_util::stream::{StreamExt, TryStreamExt};
use kit::clock::SharedClock;
use kit::problem::Problem;
use serde::{Deserialize, Serialize};

use crate::events::TOPICS;
use crate::projection::{Line, Window};
use crate::pulse::Pulse;
use crate::rebuild::sources::Sources;
use crate::store::Store;
use compare::Findings;
use naive::Naive;
use tape::Recording;
pub(crate) use tape::Tape;

/// How often is compared before a difference is one: an event may be on its way from the owner.
const ROUNDS: usize = 5;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(400);

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Windows of audiences that were compared.
    pub audiences: usize,
    /// Windows of authors.
    pub authors: usize,
    /// Items in all of them.
    pub items: usize,
    /// Foreign posts in them whose messages are no longer on the bus: nobody can say whether they are right.
    pub unconfirmed: usize,
    /// Windows that are not as they should be.
    pub differences: Vec<Difference>,
    /// How long it took.
    pub seconds: f64,
}

/// A window that is not as it should be. No text of a post is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The audience, or `by:<id>` for what somebody published.
    pub window: String,
    /// How many items it should hold.
    pub expected: usize,
    /// How many it holds.
    pub found: usize,
    /// Posts that should be in it and are not.
    pub missing: Vec<String>,
    /// Posts that are in it and should not be.
    pub unexpected: Vec<String>,
    /// Posts that read otherwise than they should.
    pub changed: Vec<String>,
}

/// Compares the stream of this process with its owner. Cheap to clone.
#[derive(Clone)]
pub struct Inspector {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sources: Sources,
    pub(crate) tape: Arc<Tape>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) clock: SharedClock,
    pub(crate) window: usize,
    /// What was public while it was, nobody is told of.
    pub(crate) public: bool,
}

impl Inspector {
    /// Compares.
    ///
    /// # Errors
    /// 409 `verify_running`; 503 while there is no stream, and when the owner, the bus or the store does not answer.
    pub async fn verify(&self) -> Result<Verdict, Problem> {
        let began = self.clock.now();
        let recording = self.tape.record().await.ok_or_else(|| {
            Problem::conflict("verify_running", "the stream is being compared already")
        })?;
        if self.windows(&recording).await?.1.is_none() {
            return Err(Problem::unavailable(
                "rebuilding",
                "there is no stream yet to compare; it is being filled",
            ));
        }
        let mut naive = self.recompute().await.map_err(broken)?;
        let mut findings = Findings::default();
        for round in 0..ROUNDS {
            if round > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            self.caught_up().await.map_err(broken)?;
            let (changes, windows) = self.windows(&recording).await?;
            changes.into_iter().for_each(|change| naive.take(change));
            let mut windows = windows.unwrap_or_default();
            windows.retain(|window| self.public || window.line != Line::Audience(Audience::Public));
            let seen = Findings::of(&mut naive, &windows, self.public);
            findings = if round == 0 {
                seen
            } else {
                seen.still(&findings)
            };
            if findings.are_none() {
                break;
            }
        }
        let seconds = (self.clock.now() - began).as_seconds_f64();
        Ok(findings.verdict(seconds))
    }

    /// What was applied since the last time, and what is shown now that it is.
    async fn windows(
        &self,
        recording: &Recording,
    ) -> Result<(Vec<crate::Change>, Option<Vec<Window>>), Problem> {
        // Held until both are taken: nothing is applied in between.
        let mut tape = recording.changes().await;
        let windows = self.store.windows().await.map_err(broken)?;
        Ok((std::mem::take(&mut *tape), windows))
    }

    async fn recompute(&self) -> anyhow::Result<Naive> {
        let ends = self.sources.bus.ends(&TOPICS).await?;
        let mut naive = Naive::new(self.window);
        let (_, backlog) = self.sources.backlog(ends).await?;
        let mut pieces = self.sources.export(self.clock.now()).chain(backlog);
        while let Some(piece) = pieces.try_next().await? {
            piece
                .batch
                .changes
                .into_iter()
                .for_each(|change| naive.take(change));
        }
        Ok(naive)
    }

    async fn caught_up(&self) -> anyhow::Result<()> {
        let ends = self.sources.bus.ends(&TOPICS).await?;
        anyhow::ensure!(self.pulse.reached(&ends).await, "the feed has ended");
        Ok(())
    }
}

fn broken(error: impl Into<anyhow::Error>) -> Problem {
    Problem::unavailable(
        "feed_unavailable",
        "the stream cannot be compared at the moment: its owner, the bus or its store does not answer",
    )
    .cause(error)
}
