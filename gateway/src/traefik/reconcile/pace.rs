//! How fast to correct what others keep changing.

use std::time::Duration;

use tokio::time::Instant;

/// The pause before the third correction in a row; it doubles.
const FIRST: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(30);
/// After so long without a correction the next one is the first again.
const CALM: Duration = Duration::from_secs(60);

/// The first correction is made at once. When what was corrected is found changed again and again, as by a gateway of
/// another version that is about to leave, the pauses grow, so that Traefik is not told something else all the time.
#[derive(Debug, Default)]
pub struct Pace {
    under_way: bool,
    last: Option<Instant>,
    in_a_row: u32,
}

impl Pace {
    /// Whether a correction has begun and is not at its end: it is not held up.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// How long to wait before a correction that is due now.
    #[must_use]
    pub fn before(&self, now: Instant) -> Duration {
        let Some(last) = self.last.filter(|last| now < *last + CALM) else {
            return Duration::ZERO;
        };
        let Some(doublings) = self.in_a_row.checked_sub(2) else {
            return Duration::ZERO;
        };
        let pause = FIRST.saturating_mul(2u32.saturating_pow(doublings));
        (last + pause.min(LONGEST)).saturating_duration_since(now)
    }

    /// What shall be is something else than before: nobody has changed what was corrected.
    pub fn anew(&mut self) {
        self.last = None;
    }

    /// A part of a correction was written.
    pub fn wrote(&mut self) {
        self.under_way = true;
    }

    /// Everything is as it shall be; if a correction was under way, it is at its end.
    pub fn settled(&mut self, now: Instant) {
        if !std::mem::take(&mut self.under_way) {
            return;
        }
        let calm = self.last.is_none_or(|last| now >= last + CALM);
        self.in_a_row = if calm { 1 } else { self.in_a_row + 1 };
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_corrections_are_made_at_once_and_the_pauses_before_the_next_ones_grow_to_half_a_minute()
    {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let pause = pace.before(now);
            pauses.push(pause.as_millis());
            now += pause;
            pace.wrote();
            assert!(pace.is_under_way());
            pace.settled(now);
        }
        assert_eq!(
            pauses,
            [
                0, 0, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000
            ]
        );
    }

    #[test]
    fn after_a_calm_minute_the_next_one_is_the_first_again() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        for _ in 0..9 {
            pace.wrote();
            pace.settled(start);
        }
        assert!(pace.before(start) > FIRST);
        let later = start + CALM;
        assert_eq!(pace.before(later), Duration::ZERO);
        pace.wrote();
        pace.settled(later);
        assert_eq!(pace.before(later), Duration::ZERO);
    }

    #[test]
    fn a_correction_towards_something_else_is_the_first_again() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for _ in 0..9 {
            pace.wrote();
            pace.settled(now);
        }
        assert!(pace.before(now) > FIRST);
        pace.anew();
        assert_eq!(pace.before(now), Duration::ZERO);
        pace.wrote();
        pace.settled(now);
        assert_eq!(pace.before(now), Duration::ZERO);
        pace.wrote();
        pace.settled(now);
        assert_eq!(pace.before(now), FIRST);
    }

    #[test]
    fn looking_without_finding_anything_is_no_correction() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for _ in 0..9 {
            pace.settled(now);
        }
        assert_eq!(pace.before(now), Duration::ZERO);
    }
}
