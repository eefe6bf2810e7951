//! Which changes are in the stream, exactly: whoever compares it with something else must know at which moment it was as it
//! was, while events go on.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Mutex, MutexGuard, OwnedMutexGuard};

use crate::change::Change;

/// Notes what is applied while somebody listens.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    recording: AtomicBool,
    changes: Arc<Mutex<Vec<Change>>>,
}

/// Held while a change is applied.
pub(crate) struct Noting<'a> {
    changes: MutexGuard<'a, Vec<Change>>,
    recording: bool,
}

/// Held by who listens; one at a time.
pub(crate) struct Recording(Arc<Tape>);

impl Tape {
    /// Nothing else is applied until what this gives is dropped.
    pub(crate) async fn note(&self) -> Noting<'_> {
        let mut changes = self.changes.lock().await;
        let recording = self.recording.load(Ordering::SeqCst);
        if !recording && !changes.is_empty() {
            *changes = Vec::new();
        }
        Noting { changes, recording }
    }

    /// Starts listening; `None` while somebody else does.
    pub(crate) async fn record(self: &Arc<Self>) -> Option<Recording> {
        if self.recording.swap(true, Ordering::SeqCst) {
            return None;
        }
        let recording = Recording(self.clone());
        self.changes.lock().await.clear();
        Some(recording)
    }
}

impl Noting<'_> {
    /// A copy of the change if somebody listens.
    pub(crate) fn copy(&self, change: &Change) -> Option<Change> {
        self.recording.then(|| change.clone())
    }

    /// The change is in the stream.
    pub(crate) fn applied(&mut self, copy: Option<Change>) {
        self.changes.extend(copy);
    }
}

/// What was applied since it was taken last; nothing is applied while it is held.
pub(crate) struct Changes(OwnedMutexGuard<Vec<Change>>);

impl Recording {
    pub(crate) async fn changes(&self) -> Changes {
        Changes(self.0.changes.clone().lock_owned().await)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.0.recording.store(false, Ordering::SeqCst);
    }
}

impl Deref for Changes {
    type Target = Vec<Change>;

    fn deref(&self) -> &Vec<Change> {
        &self.0
    }
}

impl DerefMut for Changes {
    fn deref_mut(&mut self) -> &mut Vec<Change> {
        &mut self.0
    }
}
