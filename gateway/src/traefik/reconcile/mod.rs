//! Keeps the keys in Consul as they shall be, whatever happens to them.
//!
//! Two gateways at once need no lock: both want the same, and each of their transactions leaves every router whole
//! ([`plan`]). Two of different versions do not want the same; then each corrects the other more and more slowly
//! ([`Pace`]) until one leaves.

mod pace;
mod plan;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use kit::consul::{Catalog, ConsulError, Following, KeyValue, Listing};
use kit::metrics::Metrics;
use kit::service::Worker;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::doors;
use super::model::{Object, ROOT, Socket, Unwritable};
use super::render::Routing;
use super::trust::{Authority, Trust};
use pace::Pace;
use plan::plan;
pub use state::{State, View};

/// How often everything is looked at, and the authority asked, even if nothing says that something has changed.
const LOOK: Duration = Duration::from_secs(30);
/// The same while the authority is not known.
const SOON: Duration = Duration::from_secs(2);
/// The longest that is waited for the authority.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where it is found out what shall stand, and where it stands.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Where the keys stand, with a token that may write `traefik/`.
    pub keys: Arc<dyn KeyValue>,
    /// Where auth's instances are.
    pub catalog: Arc<dyn Catalog>,
    /// Whom forward-auth believes.
    pub authority: Arc<dyn Authority>,
}

/// What keeps the keys.
#[derive(Debug)]
pub struct Reconciler {
    routing: Routing,
    from: Sources,
    state: State,
    look: Duration,
}

impl Reconciler {
    /// Keeps the keys of this routing.
    #[must_use]
    pub fn new(routing: Routing, from: Sources, metrics: &Metrics) -> Self {
        Self {
            routing,
            from,
            state: State::new(metrics),
            look: LOOK,
        }
    }

    /// How it goes.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.clone()
    }

    /// The work: one task keeps the keys, one asks the authority, and one looks for auth's doors where there may be some.
    #[must_use]
    pub fn workers(self) -> Vec<Worker> {
        let (tell, trust) = watch::channel(None);
        let (open, doors) = watch::channel(None);
        let host = self.routing.name_of_internal();
        let (from, state, look) = (self.from.clone(), self.state(), self.look);
        let wanted = Wanted { trust, doors };
        let mut workers = vec![
            Worker::new("routes in consul", move |stop| self.keep(wanted, stop)),
            Worker::new("authority of forward-auth", move |stop| {
                ask(from.authority, state, look, tell, stop)
            }),
        ];
        if let Some(host) = host {
            workers.push(Worker::new("doors of auth", move |stop| {
                doors::keep(from.catalog, host, open, stop)
            }));
        }
        workers
    }

    async fn keep(self, mut wanted: Wanted, stop: CancellationToken) -> anyhow::Result<()> {
        let mut following = Following::default();
        let mut pace = Pace::default();
        let mut last = Vec::new();
        loop {
            let Some(found) = stop
                .run_until_cancelled(self.look(&following, &mut wanted))
                .await
            else {
                return Ok(());
            };
            let kept = match found {
                Ok(listing) => {
                    following.answered(listing.index);
                    let correct = self.correct(&listing, &mut wanted, &mut last, &mut pace);
                    stop.run_until_cancelled(correct).await
                }
                Err(error) => Some(Err(error)),
            };
            match kept {
                None => return Ok(()),
                Some(Ok(())) => {}
                Some(Err(Trouble::Consul(error))) => {
                    self.state.consul_failed(&error);
                    let pause = sleep(following.failed());
                    if stop.run_until_cancelled(pause).await.is_none() {
                        return Ok(());
                    }
                }
                Some(Err(Trouble::Unwritable(error))) => self.state.unwritable(&error),
            }
        }
    }

    /// What stands there, as soon as there is a reason to look: a change, something else to be wished, or that it is time again.
    async fn look(&self, following: &Following, wanted: &mut Wanted) -> Result<Listing, Trouble> {
        let keys = &self.from.keys;
        if let Some(after) = following.after() {
            tokio::select! {
                listing = keys.list(ROOT, Some(after)) => return Ok(listing?),
                // When nobody asks any more, what is believed stays.
                Ok(()) = wanted.trust.changed() => {}
                Ok(()) = wanted.doors.changed() => {}
                () = sleep(self.look) => {}
            }
        }
        Ok(keys.list(ROOT, None).await?)
    }

    /// What shall stand there. What is not known yet is as it stands.
    fn desired(&self, listing: &Listing, wanted: &mut Wanted) -> Result<Vec<Object>, Unwritable> {
        let believed = wanted.trust.borrow_and_update().clone();
        let believed = believed.or_else(|| Trust::standing(&listing.pairs));
        let open = wanted.doors.borrow_and_update().clone();
        let open = open.unwrap_or_else(|| doors::standing(&listing.pairs));
        self.routing.objects(believed.as_ref(), &open)
    }

    /// Does one transaction of what is to be done: what was changed meanwhile is seen before the next one.
    async fn correct(
        &self,
        listing: &Listing,
        wanted: &mut Wanted,
        last: &mut Vec<Object>,
        pace: &mut Pace,
    ) -> Result<(), Trouble> {
        let desired = self.desired(listing, wanted)?;
        if desired != *last {
            pace.anew();
            *last = desired;
        }
        let plan = plan(last, &listing.pairs);
        self.state.foreign(plan.foreign);
        let Some(first) = plan.transactions.first() else {
            pace.settled(Instant::now());
            self.state.settled();
            return Ok(());
        };
        if !pace.is_under_way() {
            let pause = pace.before(Instant::now());
            if !pause.is_zero() {
                sleep(pause).await;
                return Ok(());
            }
            tracing::info!(
                target: "traefik",
                transactions = plan.transactions.len(),
                "the routes in consul are not as they shall be and are written"
            );
        }
        self.from.keys.apply(first).await?;
        pace.wrote();
        self.state.wrote();
        Ok(())
    }
}

/// What is to be believed and who can be asked, as it is found out. None: not yet.
#[derive(Debug)]
struct Wanted {
    trust: watch::Receiver<Option<Trust>>,
    doors: watch::Receiver<Option<Vec<Socket>>>,
}

/// Why keys are not kept.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Consul(#[from] ConsulError),
    /// Nothing is written then, and what stands there stays.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
}

/// Asks the authority again and again.
async fn ask(
    authority: Arc<dyn Authority>,
    state: State,
    look: Duration,
    tell: watch::Sender<Option<Trust>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let asked = timeout(PATIENCE, authority.trust());
        let Some(answer) = stop.run_until_cancelled(asked).await else {
            return Ok(());
        };
        let answer = answer
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the authority does not answer in time")));
        state.authority(answer.as_ref().err());
        let known = answer.is_ok() && authority.is_whole();
        let pause = if known { look } else { look.min(SOON) };
        if let Ok(trust) = answer {
            tell.send_if_modified(|known| {
                let other = known.as_ref() != Some(&trust);
                *known = Some(trust);
                other
            });
        }
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            return Ok(());
        }
    }
}
