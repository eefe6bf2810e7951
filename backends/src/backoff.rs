//! How long to wait before the next attempt, or for its answer.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
/// So that everything goes on within seconds of the end of an outage, however long that was.
const LONGEST: Duration = Duration::from_secs(5);
/// A bus that is away answers late anyway.
const LONGEST_OF_THE_BUS: Duration = Duration::from_secs(1);

/// 100 ms, doubling to 5 s (a failing dependency pauses and retries, it never drops).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Backoff {
        Backoff::between(FIRST, LONGEST)
    }

    /// Doubling to 1 s.
    pub(crate) fn of_the_bus() -> Backoff {
        Backoff::between(FIRST, LONGEST_OF_THE_BUS)
    }

    /// Doubling from the one to the other.
    pub(crate) fn between(first: Duration, longest: Duration) -> Backoff {
        Backoff {
            first,
            next: first,
            longest,
        }
    }

    /// The wait before the next attempt.
    pub(crate) fn next(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(self.longest);
        now
    }

    /// Something worked.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_a_tenth_of_a_second_to_five_and_for_the_bus_to_one() {
        let mut backoff = Backoff::new();
        let waits: Vec<u128> = (0..8).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        backoff.reset();
        assert_eq!(backoff.next(), FIRST);
        let mut backoff = Backoff::of_the_bus();
        let waits: Vec<u128> = (0..6).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
    }
}
