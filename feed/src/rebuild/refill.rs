//! Keeps windows full: what is missing after removals is asked of the owner, beside the events.

use std::sync::Arc;
use std::time::Duration;

use contracts::Audience;
use contracts::clients::{PageFilters, PageQuery, Posts};
use kit::clock::SharedClock;

use crate::projection::{Gap, Line};
use crate::pulse::Pulse;
use crate::store::Store;

/// What the owner gives at most at once.
const OWNER_PAGE: usize = 100;
/// A stream that is not shown yet is looked over so often at most: while posts are removed all the time it never is full.
const PASSES: usize = 20;

/// Asks the owner.
#[derive(Clone)]
pub(crate) struct Refiller {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) posts: Arc<dyn Posts>,
    pub(crate) clock: SharedClock,
    pub(crate) pulse: Arc<Pulse>,
    /// Where nothing is public, the owner tells nobody what was.
    pub(crate) public: bool,
}

impl Refiller {
    /// Keeps the windows that are shown full, for ever.
    pub(crate) async fn run(&self) {
        let mut wait = Duration::ZERO;
        loop {
            if wait.is_zero() {
                self.pulse.thinned().await;
            } else {
                tokio::time::sleep(wait).await;
            }
            wait = match self.shown().await {
                Ok(()) => Duration::ZERO,
                Err(error) => {
                    let next = (wait * 2).clamp(Duration::from_millis(100), Duration::from_secs(5));
                    tracing::warn!(%error, retry_ms = next.as_millis(), "a window of the stream cannot be filled up yet");
                    next
                }
            };
        }
    }

    /// Fills the windows that are shown.
    pub(crate) async fn shown(&self) -> anyhow::Result<()> {
        while self.pass(None).await? {
            // Waiters look at what is shown.
            self.pulse.beat();
        }
        Ok(())
    }

    /// Fills the windows of a stream that is being built.
    pub(crate) async fn built(&self, generation: u64) -> anyhow::Result<()> {
        for _ in 0..PASSES {
            if !self.pass(Some(generation)).await? {
                break;
            }
        }
        Ok(())
    }

    /// Asks once for every window that has room; tells whether there was one.
    async fn pass(&self, building: Option<u64>) -> anyhow::Result<bool> {
        let mut gaps = self.store.gaps(building).await?;
        gaps.retain(|gap| self.public || gap.line != Line::Audience(Audience::Public));
        for gap in &gaps {
            let page = self.posts.page(&question(gap)).await?;
            let end = page.next_cursor.is_none();
            self.store
                .refill(gap, &page.items, end, self.clock.now())
                .await?;
        }
        Ok(!gaps.is_empty())
    }
}

/// What lies below the window.
fn question(gap: &Gap) -> PageQuery {
    let (audiences, reader) = match gap.line {
        Line::Audience(key) => (vec![key], None),
        Line::Person(user) => (Vec::new(), Some(user)),
    };
    PageQuery {
        audiences,
        reader,
        cursor: Some(gap.below.cursor()),
        skip: 0,
        limit: gap.room.clamp(1, OWNER_PAGE) as u64,
        filters: PageFilters {
            user_id: reader,
            ..PageFilters::default()
        },
    }
}
