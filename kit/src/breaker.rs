//! The circuit breaker (spec/operations.md rule 4): what does not answer is not asked for a while, so that callers get
//! their 503 at once and it can come back.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use http::StatusCode;
use parking_lot::Mutex;

use crate::clock::SharedClock;

/// Seconds that are looked back on.
const WINDOW: i64 = 10;
/// Calls in the window below which nothing is concluded.
const FEWEST: u32 = 20;
/// How long an open circuit stays open.
const PAUSE: Duration = Duration::seconds(10);

/// Opens after 50 % errors of at least 20 calls in 10 s, lets one call try after 10 s, and closes when it succeeds.
/// Clones are the same breaker.
#[derive(Clone, Debug)]
pub struct Breaker {
    state: Arc<Mutex<State>>,
    clock: SharedClock,
}

#[derive(Debug)]
enum State {
    Closed(Window),
    Open { until: DateTime<Utc> },
    Trying,
}

/// One call that was let through. It tells how it ended; dropped without (the client went away) it says nothing, and a
/// trying call leaves its place to the next.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    breaker: Breaker,
    trying: bool,
    told: bool,
}

/// What counts against the one who answers. 503 and 507 do not: it is there, says what it lacks and what still works (a
/// full disk must not take the reads along).
#[must_use]
pub fn is_failure(status: StatusCode) -> bool {
    status.is_informational()
        || matches!(
            status,
            StatusCode::INTERNAL_SERVER_ERROR
                | StatusCode::BAD_GATEWAY
                | StatusCode::GATEWAY_TIMEOUT
        )
}

impl Breaker {
    /// A closed circuit.
    #[must_use]
    pub fn new(clock: SharedClock) -> Self {
        Self {
            state: Arc::new(Mutex::new(State::Closed(Window::default()))),
            clock,
        }
    }

    /// Lets a call through.
    ///
    /// # Errors
    /// How many whole seconds to wait, when the circuit is open.
    pub fn admit(&self) -> Result<Permit, u64> {
        let mut state = self.state.lock();
        let trying = match &*state {
            State::Closed(_) => false,
            State::Trying => return Err(1),
            State::Open { until } => {
                let left = (*until - self.clock.now()).num_milliseconds();
                if left > 0 {
                    return Err(u64::try_from(left).unwrap_or(0).div_ceil(1_000));
                }
                *state = State::Trying;
                true
            }
        };
        Ok(Permit {
            breaker: self.clone(),
            trying,
            told: false,
        })
    }

    /// Whether calls are refused at the moment.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(*self.state.lock(), State::Closed(_))
    }
}

impl Permit {
    /// Says how the call ended.
    pub fn end(mut self, succeeded: bool) {
        self.told = true;
        let now = self.breaker.clock.now();
        let mut state = self.breaker.state.lock();
        let opens = match &mut *state {
            // A call that began before the circuit opened has nothing to say about whether it may close.
            State::Open { .. } | State::Trying if !self.trying => return,
            State::Open { .. } | State::Trying => !succeeded,
            State::Closed(window) => window.count(now.timestamp(), succeeded),
        };
        if opens {
            *state = State::Open { until: now + PAUSE };
        } else if self.trying {
            *state = State::Closed(Window::default());
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.trying && !self.told {
            *self.breaker.state.lock() = State::Open {
                until: self.breaker.clock.now(),
            };
        }
    }
}

/// Calls and errors by the second they ended in.
#[derive(Debug, Default)]
struct Window {
    seconds: [Second; WINDOW as usize],
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    at: i64,
    calls: u32,
    errors: u32,
}

impl Window {
    /// Counts a call; whether the window now says that the circuit must open.
    fn count(&mut self, now: i64, succeeded: bool) -> bool {
        let index = usize::try_from(now.rem_euclid(WINDOW)).unwrap_or(0);
        let second = &mut self.seconds[index];
        if second.at != now {
            *second = Second {
                at: now,
                ..Second::default()
            };
        }
        second.calls = second.calls.saturating_add(1);
        if succeeded {
            return false;
        }
        second.errors = second.errors.saturating_add(1);
        let recent = self
            .seconds
            .iter()
            .filter(|second| now - second.at < WINDOW);
        let (calls, errors) = recent.fold((0u64, 0u64), |(calls, errors), second| {
            (
                calls + u64::from(second.calls),
                errors + u64::from(second.errors),
            )
        });
        calls >= u64::from(FEWEST) && errors * 2 >= calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::MockClock;
    use proptest::prelude::*;

    fn call(breaker: &Breaker, succeeded: bool) -> Result<(), u64> {
        breaker.admit().map(|permit| permit.end(succeeded))
    }

    fn opened(clock: &MockClock) -> Breaker {
        let breaker = Breaker::new(clock.shared());
        for _ in 0..20 {
            call(&breaker, false).unwrap();
        }
        breaker
    }

    #[test]
    fn nineteen_errors_are_too_few_and_the_twentieth_opens() {
        let clock = MockClock::default();
        let breaker = Breaker::new(clock.shared());
        for _ in 0..19 {
            call(&breaker, false).unwrap();
        }
        assert!(!breaker.is_open());
        call(&breaker, false).unwrap();
        assert_eq!(call(&breaker, true), Err(10));
    }

    #[test]
    fn errors_of_more_than_ten_seconds_ago_are_forgotten() {
        let clock = MockClock::default();
        let breaker = Breaker::new(clock.shared());
        for _ in 0..19 {
            call(&breaker, false).unwrap();
        }
        clock.advance(Duration::seconds(10));
        call(&breaker, false).unwrap();
        assert!(!breaker.is_open());
    }

    #[test]
    fn after_ten_seconds_one_call_tries_and_its_success_closes() {
        let clock = MockClock::default();
        let breaker = opened(&clock);
        clock.advance(Duration::milliseconds(9_001));
        assert_eq!(breaker.admit().unwrap_err(), 1);
        clock.advance(Duration::seconds(1));
        let trying = breaker.admit().unwrap();
        assert_eq!(breaker.admit().unwrap_err(), 1, "only one may try");
        trying.end(true);
        assert_eq!(call(&breaker, true), Ok(()));
        assert!(!breaker.is_open());
    }

    #[test]
    fn a_trying_call_that_fails_opens_again_and_one_that_is_dropped_leaves_its_place() {
        let clock = MockClock::default();
        let breaker = opened(&clock);
        clock.advance(Duration::seconds(10));
        call(&breaker, false).unwrap();
        assert_eq!(call(&breaker, true), Err(10));
        clock.advance(Duration::seconds(10));
        drop(breaker.admit().unwrap());
        assert_eq!(call(&breaker, true), Ok(()));
        assert!(!breaker.is_open());
    }

    #[test]
    fn of_64_calls_at_once_after_the_pause_exactly_one_tries() {
        let clock = MockClock::default();
        let breaker = opened(&clock);
        clock.advance(Duration::seconds(10));
        let permits: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..64).map(|_| scope.spawn(|| breaker.admit())).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(permits.iter().filter(|permit| permit.is_ok()).count(), 1);
    }

    #[test]
    fn a_call_from_before_the_opening_neither_closes_nor_prolongs() {
        let clock = MockClock::default();
        let breaker = Breaker::new(clock.shared());
        let (good, bad) = (breaker.admit().unwrap(), breaker.admit().unwrap());
        for _ in 0..20 {
            call(&breaker, false).unwrap();
        }
        clock.advance(Duration::seconds(5));
        good.end(true);
        bad.end(false);
        assert_eq!(call(&breaker, true), Err(5));
    }

    proptest! {
        #[test]
        fn it_opens_exactly_when_the_last_ten_seconds_say_so(calls in prop::collection::vec((0i64..1_500, any::<bool>()), 1..80)) {
            let clock = MockClock::default();
            let breaker = Breaker::new(clock.shared());
            let mut all: Vec<(i64, bool)> = Vec::new();
            for (wait, succeeded) in calls {
                clock.advance(Duration::milliseconds(wait));
                let now = crate::clock::Clock::now(&clock).timestamp();
                call(&breaker, succeeded).unwrap();
                all.push((now, succeeded));
                let recent: Vec<_> = all.iter().filter(|(at, _)| now - at < 10).collect();
                let errors = recent.iter().filter(|(_, succeeded)| !succeeded).count();
                let expected = !succeeded && recent.len() >= 20 && errors * 2 >= recent.len();
                prop_assert_eq!(breaker.is_open(), expected);
                if expected {
                    break;
                }
            }
        }
    }
}
