//! Whether this instance may believe its copy in memory now.
//!
//! The lease says so, and a lease that was renewed a while ago says nothing: a process that stood still must not believe in it
//! when it goes on. Therefore it is compared with the time at each decision, by the clock and by what has passed since (the
//! clock stands still when the machine's time is set back).

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use kit::Clock;

/// How long a lease lasts in its row.
pub const LEASE: Duration = Duration::from_secs(2);
/// How long its holder believes in it: clocks of two machines may differ by the rest.
pub const BELIEF: Duration = Duration::from_millis(1500);

const ALWAYS: i64 = i64::MAX;
const NEVER: i64 = i64::MIN;

/// An instant, by both measures.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// By the clock.
    pub clock: DateTime<Utc>,
    passed: Instant,
}

impl Moment {
    /// Now.
    pub fn now(clock: &dyn Clock) -> Self {
        Self {
            clock: clock.now(),
            passed: Instant::now(),
        }
    }
}

/// Until when the copy may be believed.
#[derive(Debug)]
pub struct Trust {
    /// Microseconds by the clock.
    until: AtomicI64,
    /// Microseconds since `base`.
    passed: AtomicU64,
    base: Instant,
}

impl Trust {
    /// For who is alone: nobody else changes anything.
    pub fn always() -> Self {
        Self::of(ALWAYS)
    }

    /// For who has to prove it first.
    pub fn none() -> Self {
        Self::of(NEVER)
    }

    fn of(until: i64) -> Self {
        Self {
            until: until.into(),
            passed: 0.into(),
            base: Instant::now(),
        }
    }

    /// Whether the copy may be believed by who began at `now`.
    #[inline]
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        let until = self.until.load(Ordering::Acquire);
        if until == ALWAYS {
            return true;
        }
        now.timestamp_micros() < until
            && self.base.elapsed() < Duration::from_micros(self.passed.load(Ordering::Acquire))
    }

    /// The lease was renewed at `since`, and the copy held everything that was committed before.
    pub fn grant(&self, since: Moment) {
        let passed = since.passed.duration_since(self.base) + BELIEF;
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(0);
        self.passed.store(micros(passed), Ordering::Release);
        let belief = i64::try_from(BELIEF.as_micros()).unwrap_or(0);
        self.until.store(
            since.clock.timestamp_micros().saturating_add(belief),
            Ordering::Release,
        );
    }

    /// The copy may have missed something.
    pub fn withdraw(&self) {
        self.until.store(NEVER, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use kit::MockClock;

    use super::*;

    #[test]
    fn a_lease_is_believed_for_a_second_and_a_half_by_the_clock() {
        let (trust, clock) = (Trust::none(), MockClock::default());
        assert!(!trust.holds(clock.now()));
        trust.grant(Moment::now(&clock));
        clock.advance(TimeDelta::milliseconds(1499));
        assert!(trust.holds(clock.now()));
        clock.advance(TimeDelta::milliseconds(1));
        assert!(!trust.holds(clock.now()));
    }

    #[test]
    fn a_clock_that_stands_still_prolongs_no_lease() {
        let clock = MockClock::default();
        let long_ago = Instant::now()
            .checked_sub(BELIEF)
            .expect("the machine runs longer than that");
        let trust = Trust {
            base: long_ago,
            ..Trust::none()
        };
        trust.grant(Moment {
            passed: long_ago,
            ..Moment::now(&clock)
        });
        assert!(!trust.holds(clock.now()));
        trust.grant(Moment::now(&clock));
        assert!(trust.holds(clock.now()));
    }

    #[test]
    fn what_is_withdrawn_is_not_believed_and_who_is_alone_always_is() {
        let (trust, clock) = (Trust::none(), MockClock::default());
        trust.grant(Moment::now(&clock));
        trust.withdraw();
        assert!(!trust.holds(clock.now()));
        let alone = Trust::always();
        clock.advance(TimeDelta::days(400));
        assert!(alone.holds(clock.now()));
    }
}
