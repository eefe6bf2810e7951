//! Time as a parameter: whoever needs the time is given a [`Clock`].

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, Utc};

/// Tells the time in whole microseconds (what every store keeps) and never goes back within a process.
pub trait Clock: Send + Sync + Debug {
    /// The present instant, cut to whole microseconds.
    fn now(&self) -> DateTime<Utc>;
}

/// A clock as services hold it.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock. When the machine's time is set back it stands still until it has been caught up,
/// so that ids and versions made from it stay increasing.
#[derive(Debug, Default)]
pub struct SystemClock {
    last: AtomicI64,
}

impl SystemClock {
    /// A new system clock to be shared.
    #[must_use]
    pub fn shared() -> SharedClock {
        Arc::new(Self::default())
    }

    fn not_before_last(&self, micros: i64) -> i64 {
        self.last.fetch_max(micros, Ordering::Relaxed).max(micros)
    }
}

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the machine's clock"
        )]
        let micros = Utc::now().timestamp_micros();
        from_micros(self.not_before_last(micros))
    }
}

/// A clock for tests that moves only when told to. Clones share their time.
#[derive(Debug, Clone)]
pub struct MockClock {
    micros: Arc<AtomicI64>,
}

impl MockClock {
    /// A clock that stands at `at`.
    #[must_use]
    pub fn at(at: DateTime<Utc>) -> Self {
        Self {
            micros: Arc::new(AtomicI64::new(at.timestamp_micros())),
        }
    }

    /// Moves the time on by `by` (back when negative).
    pub fn advance(&self, by: Duration) {
        let micros = by.num_microseconds().unwrap_or(i64::MAX);
        self.micros.fetch_add(micros, Ordering::SeqCst);
    }

    /// Sets the time.
    pub fn set(&self, at: DateTime<Utc>) {
        self.micros.store(at.timestamp_micros(), Ordering::SeqCst);
    }

    /// This clock as services hold it; it goes on sharing its time with `self`.
    #[must_use]
    pub fn shared(&self) -> SharedClock {
        Arc::new(self.clone())
    }
}

impl Default for MockClock {
    /// Stands at 2026-03-02T08:00:00Z, a Monday morning.
    fn default() -> Self {
        Self {
            micros: Arc::new(AtomicI64::new(1_772_438_400_000_000)),
        }
    }
}

impl Clock for MockClock {
    fn now(&self) -> DateTime<Utc> {
        from_micros(self.micros.load(Ordering::SeqCst))
    }
}

fn from_micros(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_shows_whole_microseconds_and_never_goes_back() {
        let clock = SystemClock::default();
        let first = clock.now();
        assert_eq!(first.timestamp_subsec_nanos() % 1_000, 0);
        let ahead = first.timestamp_micros() + 60_000_000;
        assert_eq!(clock.not_before_last(ahead), ahead);
        assert_eq!(
            clock.now().timestamp_micros(),
            ahead,
            "the machine's time is now behind what was shown"
        );
    }

    #[test]
    fn clones_of_a_mock_clock_share_their_time() {
        let clock = MockClock::default();
        let other = clock.clone();
        clock.advance(Duration::seconds(90));
        assert_eq!(other.now().to_rfc3339(), "2026-03-02T08:01:30+00:00");
    }
}
