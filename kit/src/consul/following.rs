//! Asking again and again after changes.

use std::time::Duration;

use super::Index;
use super::chance::spread;

/// The wait after the first failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// So that everything goes on within seconds of the end of an outage, however long that was.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Where a series of blocking questions is: what to ask after, and how long to pause after a failure.
///
/// ```
/// # use kit::consul::{Following, Index};
/// let mut following = Following::default();
/// assert_eq!(following.after(), None);
/// following.answered(Index::new(7));
/// assert_eq!(following.after(), Some(Index::new(7)));
/// // Consul lost its data: its numbers begin anew
/// assert!(following.answered(Index::new(3)));
/// assert_eq!(following.after(), None);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Following {
    seen: Option<Index>,
    anew: bool,
    pauses: Pauses,
}

impl Following {
    /// What to ask after: nothing at first, after a failure, and when Consul's numbers have gone back.
    #[must_use]
    pub fn after(&self) -> Option<Index> {
        self.seen.filter(|_| !self.anew)
    }

    /// An answer with this index came. Whether its numbers have gone back, that is, whether Consul has lost its data.
    pub fn answered(&mut self, index: Index) -> bool {
        let back = self.seen.is_some_and(|seen| index < seen);
        *self = Self {
            seen: Some(index),
            anew: back,
            pauses: Pauses::default(),
        };
        back
    }

    /// No answer came. How long to pause before the next question, which waits for nothing: who knows what has happened
    /// meanwhile, and a Consul with younger numbers would make it wait in vain.
    pub fn failed(&mut self) -> Duration {
        self.anew = true;
        self.pauses.next()
    }
}

/// Pauses after failures: 250 ms, doubling to 4 s, each somewhat shorter by chance.
#[derive(Debug, Clone, Default)]
struct Pauses {
    failures: u32,
}

impl Pauses {
    pub(super) fn next(&mut self) -> Duration {
        let pause = FIRST_PAUSE * 2u32.pow(self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        spread(pause.min(LONGEST_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_four_seconds_and_never_exceed_them() {
        let mut following = Following::default();
        for full in [250, 500, 1_000, 2_000, 4_000, 4_000, 4_000] {
            let pause = following.failed();
            let full = Duration::from_millis(full);
            assert!(
                pause <= full && pause >= full.mul_f64(0.79),
                "{pause:?} of {full:?}"
            );
        }
        following.answered(Index::new(1));
        assert!(following.failed() <= FIRST_PAUSE);
    }

    #[test]
    fn after_a_failure_the_next_question_does_not_wait_and_numbers_that_went_back_are_noticed_still()
     {
        let mut following = Following::default();
        assert!(!following.answered(Index::new(9)));
        following.failed();
        assert_eq!(following.after(), None);
        assert!(
            following.answered(Index::new(2)),
            "consul came back without its data"
        );
        assert!(!following.answered(Index::new(2)));
        assert_eq!(following.after(), Some(Index::new(2)));
    }

    #[test]
    fn a_thousand_failures_still_pause_four_seconds_at_most() {
        let mut following = Following::default();
        assert!((0..1_000).all(|_| following.failed() <= LONGEST_PAUSE));
    }
}
