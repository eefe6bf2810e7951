//! Hashing off the async threads, a few at a time (spec/auth.md rules 17 and 18).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use metrics::Counter;
use tokio::sync::Semaphore;

use super::{Stored, Verdict, store};

/// The queue was full for longer than a request may wait, or the pool is shutting down: 503 `busy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked at the moment")]
pub struct Busy;

/// How far hashing steps back (`nice`, 0 to 19): a tenth of the processor where everybody wants it, all of it where nobody does.
const NICE: i32 = 10;

/// Computes password hashes on threads of their own, at most `parallel` at a time.
#[derive(Clone)]
pub struct Hasher {
    permits: Arc<Semaphore>,
    cost: u32,
    patience: Duration,
    computed: Arc<AtomicU64>,
    counter: Counter,
}

/// What a check of a login showed.
#[derive(Debug)]
pub struct Checked {
    /// Whether the password matches.
    pub verdict: Verdict,
    /// Whether the stored form should be replaced (only meaningful for a match).
    pub needs_rehash: bool,
    /// Why the stored hash could not be used, for the log.
    pub unreadable: Option<super::Unreadable>,
}

impl Hasher {
    /// `cost` is bcrypt's for new hashes; `parallel` is raised to at least 1; `patience` is how long a call may queue.
    #[must_use]
    pub fn new(cost: u32, parallel: usize, patience: Duration) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(parallel.max(1))),
            cost,
            patience,
            computed: Arc::default(),
            counter: Counter::noop(),
        }
    }

    /// The same hasher that also counts into a metric.
    #[must_use]
    pub fn counting(self, counter: Counter) -> Self {
        Self { counter, ..self }
    }

    /// Compares a login's password with what is stored. Exactly one hash is computed whether there is an account, a
    /// usable hash, or neither, so that the time of an answer does not tell which (rule 17).
    ///
    /// # Errors
    /// [`Busy`] when the queue did not move in time.
    pub async fn check(&self, stored: Option<String>, password: String) -> Result<Checked, Busy> {
        let cost = self.cost;
        self.run(move || {
            let parsed = stored.as_deref().map(Stored::parse);
            match parsed {
                Some(Ok(usable)) if usable != Stored::Unusable && !password.contains('\0') => {
                    Checked {
                        verdict: usable.check(&password),
                        needs_rehash: usable.needs_rehash(&password, cost),
                        unreadable: None,
                    }
                }
                other => {
                    std::hint::black_box(store(&password, cost, [0; 16]));
                    Checked {
                        verdict: Verdict::Mismatch,
                        needs_rehash: false,
                        unreadable: other.and_then(Result::err),
                    }
                }
            }
        })
        .await
    }

    /// The text to store for a new password (rule 14).
    ///
    /// # Errors
    /// [`Busy`] when the queue did not move in time.
    pub async fn hash(&self, password: String, salt: [u8; 16]) -> Result<String, Busy> {
        let cost = self.cost;
        self.run(move || store(&password, cost, salt)).await
    }

    /// How many hashes were computed so far.
    #[must_use]
    pub fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let waiting = self.permits.clone().acquire_owned();
        let permit = tokio::time::timeout(self.patience, waiting)
            .await
            .map_err(|_| Busy)?
            .map_err(|_| Busy)?;
        let (computed, counter) = (self.computed.clone(), self.counter.clone());
        let (tell, told) = tokio::sync::oneshot::channel();
        std::thread::Builder::new()
            .name("password".to_owned())
            .spawn(move || {
                // held by the work, not by the request: a client that hangs up does not make room for a further hash
                let _permit = permit;
                step_back();
                computed.fetch_add(1, Ordering::Relaxed);
                counter.increment(1);
                let _ = tell.send(work());
            })
            .map_err(|_| Busy)?;
        told.await.map_err(|_| Busy)
    }
}

/// Lets whoever waits for an answer go first: who signs in does not notice that a fifth of a second of hashing took a little
/// longer, everybody else would notice being interrupted by it. Of this thread only, which ends with its hash: a priority
/// that was lowered cannot be raised again.
fn step_back() {
    let me = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(me), NICE) {
        tracing::debug!(%error, "passwords are checked with the priority of everything else");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_hash_is_computed_for_a_right_a_wrong_an_unusable_and_a_missing_account() {
        let hasher = Hasher::new(4, 1, Duration::from_secs(5));
        let stored = hasher
            .hash("right password".to_owned(), [9; 16])
            .await
            .unwrap();
        let before = hasher.computed();
        let cases = [
            (Some(stored.clone()), "right password", Verdict::Match),
            (Some(stored), "wrong password", Verdict::Mismatch),
            (
                Some("!unusable".to_owned()),
                "wrong password",
                Verdict::Mismatch,
            ),
            (
                Some("$2b$31$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW".to_owned()),
                "x",
                Verdict::Mismatch,
            ),
            (None, "wrong password", Verdict::Mismatch),
        ];
        for (n, (stored, password, verdict)) in cases.into_iter().enumerate() {
            assert_eq!(
                hasher
                    .check(stored, password.to_owned())
                    .await
                    .unwrap()
                    .verdict,
                verdict
            );
            assert_eq!(hasher.computed() - before, n as u64 + 1);
        }
    }

    #[tokio::test]
    async fn a_queue_that_does_not_move_is_busy() {
        let hasher = Hasher::new(4, 1, Duration::from_millis(1));
        let held = hasher.permits.clone().acquire_owned().await.unwrap();
        assert_eq!(hasher.hash("x".to_owned(), [0; 16]).await, Err(Busy));
        drop(held);
        assert!(hasher.hash("x".to_owned(), [0; 16]).await.is_ok());
    }
}
