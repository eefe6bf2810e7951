//! How the parts of the feed hear of one another: what was applied, whether the consumer lives, whether the state was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backends::bus::Positions;
use backends::consumer::Progress;
use contracts::{PostId, UserId};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::store::{Store, StoreError};

/// Shared by the consumer, the routes and [`Applied`].
#[derive(Debug)]
pub(crate) struct Pulse {
    changed: watch::Sender<u64>,
    following: AtomicBool,
    progress: Mutex<Option<Progress>>,
    /// The store's state is gone.
    gone: AtomicBool,
    lost: Notify,
    thinned: Notify,
    begun: Notify,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self {
            changed: watch::Sender::new(0),
            following: AtomicBool::new(false),
            progress: Mutex::new(None),
            gone: AtomicBool::new(false),
            lost: Notify::new(),
            begun: Notify::new(),
            thinned: Notify::new(),
        }
    }

    /// Something was applied or shown.
    pub(crate) fn beat(&self) {
        self.changed.send_modify(|beats| *beats += 1);
    }

    /// Wakes whoever holds it with everything that is applied or shown from now on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The store's state is gone: it is built again.
    pub(crate) fn lose(&self) {
        self.gone.store(true, Ordering::SeqCst);
        self.lost.notify_one();
    }

    /// Until the state is lost.
    pub(crate) async fn lost(&self) {
        while !self.gone.swap(false, Ordering::SeqCst) {
            self.lost.notified().await;
        }
    }

    /// There is a state again; what was said of the one before is settled.
    pub(crate) fn found(&self) {
        self.gone.store(false, Ordering::SeqCst);
    }

    /// There is a stream that events can be applied to.
    pub(crate) fn begin(&self) {
        self.begun.notify_one();
    }

    pub(crate) async fn begun(&self) {
        self.begun.notified().await;
    }

    /// A window may have room: see [`Gap`](crate::Gap).
    pub(crate) fn thin(&self) {
        self.thinned.notify_one();
    }

    pub(crate) async fn thinned(&self) {
        self.thinned.notified().await;
    }

    /// Whether the consumer reads the bus.
    pub(crate) fn is_following(&self) -> bool {
        self.following.load(Ordering::Relaxed)
    }

    /// How far the consumer has read, dead letters included.
    pub(crate) fn positions(&self) -> Option<Positions> {
        self.progress
            .lock()
            .as_ref()
            .map(|progress| progress.applied().positions)
    }

    pub(crate) fn watch(&self, progress: Progress) {
        *self.progress.lock() = Some(progress);
        self.beat();
    }

    /// Until the consumer is at or beyond these positions; false when it has ended.
    pub(crate) async fn reached(&self, ends: &Positions) -> bool {
        // Subscribed before the first look, so that nothing falls between.
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let progress = self.progress.lock().clone();
            match progress {
                Some(progress) => return progress.reached(ends).await,
                None if changed.changed().await.is_err() => return false,
                None => {}
            }
        }
    }

    /// The consumer reads the bus until this is dropped, however that comes.
    pub(crate) fn follow(self: &Arc<Self>) -> Following {
        self.following.store(true, Ordering::Relaxed);
        Following(self.clone())
    }
}

/// Held while the consumer runs.
pub(crate) struct Following(Arc<Pulse>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.following.store(false, Ordering::Relaxed);
    }
}

/// Waits until the stream shows something, woken by it and never by time: for tests and for whoever must know that a change
/// is visible.
#[derive(Clone, Debug)]
pub struct Applied {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) pulse: Arc<Pulse>,
}

impl Applied {
    /// Until version `version` of the post, or a later one, is applied in the stream that is shown.
    ///
    /// # Errors
    /// [`StoreError`]: the store does not answer.
    pub async fn post(&self, id: PostId, version: i64) -> Result<(), StoreError> {
        self.until(Goal::Post(id, version)).await
    }

    /// Until the name of version `version` of the account, or of a later one, is applied.
    ///
    /// # Errors
    /// [`StoreError`]: the store does not answer.
    pub async fn name(&self, user: UserId, version: i64) -> Result<(), StoreError> {
        self.until(Goal::Name(user, version)).await
    }

    /// Until there is a stream, so that pages come from it.
    ///
    /// # Errors
    /// [`StoreError`]: the store does not answer.
    pub async fn filled(&self) -> Result<(), StoreError> {
        self.until(Goal::Filled).await
    }

    /// Until everything before these positions of the bus is applied or among the dead letters.
    ///
    /// # Errors
    /// [`StoreError`]: the feed has ended.
    pub async fn reached(&self, ends: &Positions) -> Result<(), StoreError> {
        self.filled().await?;
        if self.pulse.reached(ends).await {
            return Ok(());
        }
        Err(StoreError::Unavailable("the feed has ended".to_owned()))
    }

    async fn until(&self, goal: Goal) -> Result<(), StoreError> {
        // Subscribed before the first look, so that nothing falls between.
        let mut changed = self.pulse.changed.subscribe();
        loop {
            changed.borrow_and_update();
            if self.holds(goal).await? {
                return Ok(());
            }
            if changed.changed().await.is_err() {
                return Err(StoreError::Unavailable("the feed has ended".to_owned()));
            }
        }
    }

    async fn holds(&self, goal: Goal) -> Result<bool, StoreError> {
        let (applied, wanted) = match goal {
            Goal::Post(id, version) => (self.store.version(id).await?, version),
            Goal::Name(user, version) => (self.store.name_version(user).await?, version),
            Goal::Filled => return Ok(self.store.figures().await?.published),
        };
        Ok(applied.is_some_and(|applied| applied >= wanted))
    }
}

/// What is waited for.
#[derive(Clone, Copy)]
enum Goal {
    Post(PostId, i64),
    Name(UserId, i64),
    Filled,
}
