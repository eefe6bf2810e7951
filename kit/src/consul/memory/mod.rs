//! A Consul inside the process, for tests.

mod catalog;
mod keys;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

use self::catalog::Services;
use self::keys::Keys;
use super::{Catalog, ConsulError, Index, Instances, KeyValue, Listing, Operation, Registration};

/// Consul as tests need it: both traits, with blocking questions that wake at once, and the ways in which it fails.
/// Questions that wait do so until something changes, however long that takes. Clones are the same Consul.
#[derive(Debug, Clone)]
pub struct MemoryConsul {
    state: Arc<Mutex<State>>,
    changes: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    index: u64,
    keys: Keys,
    services: Services,
    failing: Option<ConsulError>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            index: 1,
            keys: Keys::default(),
            services: Services::default(),
            failing: None,
        }
    }
}

impl State {
    fn up(&self) -> Result<(), ConsulError> {
        self.failing.clone().map_or(Ok(()), Err)
    }
}

impl MemoryConsul {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Arc::default(),
            changes: watch::Sender::new(()),
        }
    }

    /// Everything fails with `error` from now on, also what is being waited for; with `None` all is well again.
    pub fn fail(&self, error: Option<ConsulError>) {
        self.change(|state| state.failing = error);
    }

    /// Loses all data; its numbers begin anew.
    pub fn wipe(&self) {
        self.change(|state| {
            let failing = state.failing.take();
            *state = State {
                failing,
                ..State::default()
            };
        });
    }

    /// Lets the check of an instance pass or fail.
    pub fn set_passing(&self, id: &str, passing: bool) {
        self.change(|state| {
            state.index += 1;
            state.services.set_passing(id, passing, state.index);
        });
    }

    /// All that is registered, by id, with `check.passing` as it is now.
    #[must_use]
    pub fn registrations(&self) -> Vec<Registration> {
        self.state.lock().services.all()
    }

    /// Waits until the registrations, as [`registrations`](Self::registrations) gives them, are as wished. A test that
    /// waits for what never comes hangs, and its runner ends it.
    pub async fn until(&self, wished: impl Fn(&[Registration]) -> bool) {
        let mut changes = self.changes.subscribe();
        while !wished(&self.registrations()) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state.lock());
        self.changes.send_replace(());
        changed
    }

    /// Asks until the answer's index is another than `after`.
    async fn ask<T>(
        &self,
        after: Option<Index>,
        question: impl Fn(&State) -> (u64, T) + Send,
    ) -> Result<(Index, T), ConsulError> {
        let mut changes = self.changes.subscribe();
        loop {
            {
                let state = self.state.lock();
                state.up()?;
                let (index, answer) = question(&state);
                let index = Index::new(index);
                if Some(index) != after {
                    return Ok((index, answer));
                }
            }
            // the sender lives as long as this borrow of it
            let _ = changes.changed().await;
        }
    }
}

impl Default for MemoryConsul {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl KeyValue for MemoryConsul {
    async fn list(&self, prefix: &str, after: Option<Index>) -> Result<Listing, ConsulError> {
        let (index, pairs) = self.ask(after, |state| state.keys.list(prefix)).await?;
        Ok(Listing { index, pairs })
    }

    async fn apply(&self, operations: &[Operation]) -> Result<(), ConsulError> {
        self.change(|state| {
            state.up()?;
            let written = state.keys.apply(operations, state.index + 1)?;
            if written {
                state.index += 1;
            }
            Ok(())
        })
    }
}

#[async_trait]
impl Catalog for MemoryConsul {
    async fn register(&self, registration: &Registration) -> Result<(), ConsulError> {
        self.change(|state| {
            state.up()?;
            state.index += 1;
            state.services.register(registration.clone(), state.index);
            Ok(())
        })
    }

    async fn deregister(&self, id: &str) -> Result<(), ConsulError> {
        self.change(|state| {
            state.up()?;
            state.index += 1;
            state.services.deregister(id, state.index);
            Ok(())
        })
    }

    async fn registered(&self, id: &str) -> Result<bool, ConsulError> {
        let state = self.state.lock();
        state.up()?;
        Ok(state.services.holds(id))
    }

    async fn stays(&self, id: &str, wait: Duration) -> Result<bool, ConsulError> {
        let mut changes = self.changes.subscribe();
        let gone = async {
            while self.registered(id).await? {
                // the sender lives as long as this borrow of it
                let _ = changes.changed().await;
            }
            Ok(false)
        };
        tokio::time::timeout(wait, gone).await.unwrap_or(Ok(true))
    }

    async fn passing(&self, service: &str, after: Option<Index>) -> Result<Instances, ConsulError> {
        let (index, instances) = self
            .ask(after, |state| state.services.passing(service))
            .await?;
        Ok(Instances { index, instances })
    }
}
