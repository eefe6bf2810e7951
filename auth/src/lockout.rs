//! When a login name is locked (spec/auth.md rule 19). Arithmetic only; the counters are rows of `login_failures`.

use chrono::{DateTime, TimeDelta, Utc};

/// Failures within this long belong together.
const WINDOW: TimeDelta = TimeDelta::minutes(15);
/// This failure locks for the first time.
const FIRST_LOCK_AT: i64 = 5;
/// How long the first lock lasts, in seconds; each later failure doubles it.
const FIRST_LOCK: i64 = 60;
/// The longest lock, in seconds.
const LONGEST_LOCK: i64 = 3600;

/// The counter of one login name. It starts with the first failure, and starts anew with the first failure that comes
/// 15 minutes after both its start and the end of its last lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Failures {
    /// The first failure that counts.
    pub window_start: DateTime<Utc>,
    /// How many there were.
    pub count: i64,
    /// Until when nobody gets in, if locked yet.
    pub locked_until: Option<DateTime<Utc>>,
}

impl Failures {
    /// The counter after one more failure.
    #[must_use]
    pub fn after_failure(before: Option<Self>, now: DateTime<Utc>) -> Self {
        let going_on = before.filter(|counter| now < counter.forgotten_at());
        let (window_start, count) = going_on.map_or((now, 1), |counter| {
            (counter.window_start, counter.count + 1)
        });
        let locked_until =
            (count >= FIRST_LOCK_AT).then(|| now + TimeDelta::seconds(lock_seconds(count)));
        Self {
            window_start,
            count,
            locked_until,
        }
    }

    /// How many seconds the name stays locked, rounded up; `None` if it is not locked.
    #[must_use]
    pub fn locked_for(&self, now: DateTime<Utc>) -> Option<u64> {
        let left = self.locked_until? - now;
        let millis = u64::try_from(left.num_milliseconds()).ok()?;
        (left > TimeDelta::zero()).then(|| millis.div_ceil(1000).max(1))
    }

    /// From when on the counter means nothing.
    #[must_use]
    pub fn forgotten_at(&self) -> DateTime<Utc> {
        self.locked_until
            .unwrap_or(self.window_start)
            .max(self.window_start)
            + WINDOW
    }
}

fn lock_seconds(count: i64) -> i64 {
    let doublings = u32::try_from(count - FIRST_LOCK_AT).unwrap_or(0).min(16);
    (FIRST_LOCK << doublings).min(LONGEST_LOCK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn after(failures: &[i64]) -> Option<Failures> {
        failures.iter().fold(None, |counter, second| {
            Some(Failures::after_failure(counter, at(*second)))
        })
    }

    #[test]
    fn the_example_of_rule_19_holds() {
        assert_eq!(after(&[0, 10, 20, 30]).unwrap().locked_until, None);
        assert_eq!(
            after(&[0, 10, 20, 30, 40]).unwrap().locked_until,
            Some(at(100))
        );
        assert_eq!(
            after(&[0, 10, 20, 30, 40, 105]).unwrap().locked_until,
            Some(at(225))
        );
    }

    #[test]
    fn a_lock_ends_on_the_second_it_names_and_retry_after_is_rounded_up() {
        let locked = after(&[0, 10, 20, 30, 40]).unwrap();
        assert_eq!(locked.locked_for(at(40)), Some(60));
        assert_eq!(
            locked.locked_for(at(99) + TimeDelta::milliseconds(999)),
            Some(1)
        );
        assert_eq!(locked.locked_for(at(100)), None);
    }

    #[test]
    fn a_lock_is_never_longer_than_an_hour() {
        let mut counter = after(&[0, 1, 2, 3, 4]).unwrap();
        for _ in 0..20 {
            let end = counter.locked_until.unwrap();
            counter = Failures::after_failure(Some(counter), end);
            assert!(counter.locked_for(end).unwrap() <= 3600);
        }
        assert_eq!(
            counter.locked_for(counter.locked_until.unwrap() - TimeDelta::seconds(3600)),
            Some(3600)
        );
    }

    /// The rule as prose, over the whole history at once: cut it into groups, count in the last one.
    fn naive(history: &[i64]) -> Option<i64> {
        let mut group: Vec<i64> = Vec::new();
        let mut lock_end: Option<i64> = None;
        for &failure in history {
            let quiet_since = lock_end.or(group.first().copied());
            if quiet_since.is_some_and(|since| failure - since >= 15 * 60) {
                group.clear();
                lock_end = None;
            }
            group.push(failure);
            if group.len() >= 5 {
                let mut length = 60;
                for _ in 5..group.len() {
                    length = 3600.min(length * 2);
                }
                lock_end = Some(failure + length);
            }
        }
        lock_end
    }

    proptest! {
        #[test]
        fn any_history_locks_as_the_naive_model_says(gaps in proptest::collection::vec(prop_oneof![0i64..30, 0i64..1000, 800i64..5000], 0..40)) {
            let history: Vec<i64> = gaps.iter().scan(0, |now, gap| { *now += gap; Some(*now) }).collect();
            prop_assert_eq!(after(&history).and_then(|counter| counter.locked_until), naive(&history).map(at));
        }
    }
}
