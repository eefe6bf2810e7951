//! One login at a time per name. Without it, a burst of guesses at one name would all be let through before the first
//! failure is counted, and the fifth would not lock.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::password::Busy;

type Gates = Arc<Mutex<HashMap<[u8; 32], Arc<tokio::sync::Mutex<()>>>>>;

/// The gates of the names that somebody is logging in with right now.
#[derive(Debug, Default)]
pub struct Turnstile {
    gates: Gates,
}

/// A place in the queue of a name, and after [`Turnstile::enter`] the turn itself.
#[derive(Debug)]
pub struct Turn {
    gates: Gates,
    key: [u8; 32],
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turnstile {
    /// Waits for the turn.
    ///
    /// # Errors
    /// [`Busy`] when it does not come in time.
    pub async fn enter(&self, key: [u8; 32], patience: Duration) -> Result<Turn, Busy> {
        let gate = self.gates.lock().entry(key).or_default().clone();
        // made before the wait, so that giving up leaves nothing behind
        let mut turn = Turn {
            gates: self.gates.clone(),
            key,
            guard: None,
        };
        turn.guard = Some(
            tokio::time::timeout(patience, gate.lock_owned())
                .await
                .map_err(|_| Busy)?,
        );
        Ok(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.guard = None;
        let mut gates = self.gates.lock();
        // those who wait hold the gate too
        if gates
            .get(&self.key)
            .is_some_and(|gate| Arc::strong_count(gate) == 1)
        {
            gates.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn a_name_has_one_turn_at_a_time_and_leaves_no_gate_behind() {
        let turnstile = Turnstile::default();
        let first = turnstile.enter([1; 32], SOON).await.unwrap();
        assert_eq!(turnstile.enter([1; 32], SOON).await.err(), Some(Busy));
        let other = turnstile.enter([2; 32], SOON).await.unwrap();
        drop((first, other));
        assert!(turnstile.gates.lock().is_empty());
        assert!(turnstile.enter([1; 32], SOON).await.is_ok());
    }
}
