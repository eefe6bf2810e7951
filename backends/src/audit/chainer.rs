//! The worker that has the entries numbered and chained, in order of arrival, one chainer per store at a time.

use std::time::Duration;

use async_trait::async_trait;
use kit::{clock::SharedClock, ids::SharedIds, service::Worker};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{backoff::Backoff, db::Error, lease::Claim};

const LEASE: Duration = Duration::from_secs(3);
/// The net under the wake-up by commits.
const POLL: Duration = Duration::from_secs(1);

/// A store whose entries are chained. [`crate::Db`] is one; a store that is not relational chains its own, with
/// [`super::Record::hash`].
#[async_trait]
pub trait Chain: Send + Sync + 'static {
    /// Changes whenever this process has written an entry.
    fn news(&self) -> watch::Receiver<u64>;

    /// Chains some of the entries that wait, in order of arrival, if the lease can be had. Without work it writes nothing.
    async fn chain(&self, claim: Claim<'_>) -> Result<Step, Error>;

    /// Gives the lease up.
    async fn release(&self, holder: &str) -> Result<(), Error>;
}

/// What one step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing waits.
    Idle,
    /// Some were chained; there may be more.
    Chained,
    /// Another chainer holds the lease.
    Elsewhere,
}

/// The worker that chains the audit entries of a store within a second of their commit.
pub fn chainer(store: impl Chain, clock: SharedClock, ids: SharedIds) -> Worker {
    Worker::new("audit-chainer", move |stop| async move {
        let holder = ids.uuid().to_string();
        stop.run_until_cancelled(serve(&store, &clock, &holder))
            .await;
        // one last time, for what the last requests wrote
        while let Ok(Ok(Step::Chained)) = timeout(POLL, store.chain(claim(&clock, &holder))).await {
        }
        if let Err(error) = store.release(&holder).await {
            tracing::debug!(%error, "the lease of the audit chain runs out by itself");
        }
        Ok(())
    })
}

fn claim<'a>(clock: &SharedClock, holder: &'a str) -> Claim<'a> {
    Claim {
        holder,
        duration: LEASE,
        now: clock.now(),
    }
}

async fn serve(store: &impl Chain, clock: &SharedClock, holder: &str) {
    let mut news = store.news();
    let mut backoff = Backoff::new();
    loop {
        news.borrow_and_update();
        match store.chain(claim(clock, holder)).await {
            Ok(Step::Chained) => backoff.reset(),
            Ok(Step::Idle) => {
                backoff.reset();
                // the sender lives in the store held here: changed() cannot fail
                let _ = timeout(POLL, news.changed()).await;
            }
            Ok(Step::Elsewhere) => sleep(POLL).await,
            Err(error) => {
                let wait = backoff.next();
                tracing::warn!(%error, retry_in_ms = wait.as_millis() as u64, "audit entries could not be chained");
                sleep(wait).await;
            }
        }
    }
}
