//! When an authority takes over, issues, is told and is forgotten; when a certificate is renewed. Arithmetic only.

use chrono::{DateTime, TimeDelta, Utc};

/// Life of an authority.
pub const AUTHORITY_LIFE: TimeDelta = TimeDelta::days(3650);
/// Life of a certificate that an instance shows.
pub const LEAF_LIFE: TimeDelta = TimeDelta::days(60);
/// How long before its end an authority gets a successor.
const SUCCESSION: TimeDelta = TimeDelta::days(365);
/// How long a successor is told before it issues, so that whoever trusts has heard of it.
const HEAD_START: TimeDelta = TimeDelta::days(1);
/// For clocks that differ, and instances that could not reach the store for a while.
const SPARE: TimeDelta = TimeDelta::days(2);

/// From when to when a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// It was issued.
    pub from: DateTime<Utc>,
    /// It ends.
    pub until: DateTime<Utc>,
}

impl Life {
    /// Whether half of it is over: there is as much time again to get the next one.
    #[must_use]
    pub fn is_half_over(&self, now: DateTime<Utc>) -> bool {
        now >= self.from + (self.until - self.from) / 2
    }
}

/// What the schedule knows of an authority whose key can be opened here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its number.
    pub generation: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// Whether the present key seals it.
    pub is_current: bool,
}

impl Known {
    /// Whether it is to be trusted. Those that do not issue yet or any more are trusted as well.
    #[must_use]
    pub fn lives(&self, now: DateTime<Utc>) -> bool {
        now < self.expires_at
    }
}

/// Why another authority is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// There was none.
    First,
    /// There are some, and no key that is configured opens one.
    Lost,
    /// The last one ends within a year.
    Ending,
    /// None is sealed with the key that signs now; the one that seals them retires.
    Rekeyed,
}

impl Why {
    /// For the audit.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::First => "there was none",
            Self::Lost => "no key that is configured opens the ones before",
            Self::Ending => "the one before ends",
            Self::Rekeyed => "SECRET_KEY was changed",
        }
    }
}

/// Whether another one is to be made. `known` are those that open here, by generation; `stored` is how many there are in
/// all.
#[must_use]
pub fn due(known: &[Known], stored: usize, now: DateTime<Utc>) -> Option<Why> {
    if known.is_empty() {
        return Some(if stored == 0 { Why::First } else { Why::Lost });
    }
    let ends = known
        .iter()
        .all(|known| known.expires_at - now <= SUCCESSION);
    // one is enough: the last may be of an instance whose keys are in the other order, and two would outdo each other
    let of_the_past = known
        .iter()
        .all(|known| !known.is_current || !known.lives(now));
    if ends {
        Some(Why::Ending)
    } else if of_the_past {
        Some(Why::Rekeyed)
    } else {
        None
    }
}

/// Which of them issues, by its place in `known`: the last that everybody has heard of, else the first.
#[must_use]
pub fn issuer(known: &[Known], now: DateTime<Utc>) -> Option<usize> {
    let living = || (0..known.len()).filter(|&n| known[n].lives(now));
    living()
        .rev()
        .find(|&n| known[n].created_at + HEAD_START <= now)
        .or_else(|| living().next())
}

/// The first generation that is still needed: what those before issued has ended.
#[must_use]
pub fn needed_from(known: &[Known], now: DateTime<Utc>) -> Option<i64> {
    let settled = HEAD_START + LEAF_LIFE + SPARE;
    known
        .iter()
        .rfind(|known| known.lives(now) && known.created_at + settled <= now)
        .map(|known| known.generation)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    fn made(generation: i64, hours: i64) -> Known {
        Known {
            generation,
            created_at: at(hours),
            expires_at: at(hours) + AUTHORITY_LIFE,
            is_current: true,
        }
    }

    fn retiring(known: Known) -> Known {
        Known {
            is_current: false,
            ..known
        }
    }

    const YEAR: i64 = 365 * 24;

    #[test]
    fn the_first_one_issues_at_once_and_a_successor_a_day_later() {
        let (first, second) = (made(1, 0), made(2, 100));
        assert_eq!(issuer(&[], at(0)), None);
        assert_eq!(issuer(&[first], at(0)), Some(0));
        assert_eq!(issuer(&[first, second], at(123)), Some(0));
        assert_eq!(issuer(&[first, second], at(124)), Some(1));
    }

    #[test]
    fn a_successor_is_due_a_year_before_the_end_and_only_one() {
        let (first, second) = (made(1, 0), made(2, 9 * YEAR));
        assert_eq!(due(&[first], 1, at(9 * YEAR - 1)), None);
        assert_eq!(due(&[first], 1, at(9 * YEAR)), Some(Why::Ending));
        assert_eq!(due(&[first, second], 2, at(9 * YEAR)), None);
        assert_eq!(due(&[first], 1, at(11 * YEAR)), Some(Why::Ending));
        assert_eq!(issuer(&[first], at(11 * YEAR)), None);
    }

    #[test]
    fn a_change_of_the_key_makes_a_successor_and_the_lost_key_another_first() {
        let old = retiring(made(1, 0));
        assert_eq!(due(&[], 0, at(5)), Some(Why::First));
        assert_eq!(due(&[], 1, at(5)), Some(Why::Lost));
        assert_eq!(due(&[old], 1, at(5)), Some(Why::Rekeyed));
        assert_eq!(due(&[old, made(2, 5)], 2, at(5)), None);
    }

    #[test]
    fn instances_whose_keys_are_in_the_other_order_do_not_outdo_each_other() {
        let (one, other) = (made(1, 0), made(2, 5));
        assert_eq!(due(&[one, retiring(other)], 2, at(5)), None);
        assert_eq!(due(&[retiring(one), other], 2, at(5)), None);
    }

    #[test]
    fn one_before_is_needed_until_what_it_issued_last_has_ended() {
        let both = [made(1, 0), made(2, 0)];
        let days = |days: i64| at(days * 24);
        assert_eq!(needed_from(&both[..1], days(62)), None);
        assert_eq!(needed_from(&both, days(63) - TimeDelta::hours(1)), None);
        assert_eq!(needed_from(&both, days(63)), Some(2));
    }

    #[test]
    fn a_certificate_is_renewed_at_half_its_life() {
        let life = Life {
            from: at(0),
            until: at(48),
        };
        assert!(!life.is_half_over(at(24) - TimeDelta::seconds(1)));
        assert!(life.is_half_over(at(24)));
    }

    /// What an instance shows.
    #[derive(Debug, Clone, Copy)]
    struct Shown {
        generation: i64,
        life: Life,
    }

    /// One round of an instance, as the keeper does it.
    fn round(store: &mut Vec<Known>, shown: Option<Shown>, now: DateTime<Utc>) -> Shown {
        if due(store, store.len(), now).is_some() {
            let generation = store.last().map_or(1, |last| last.generation + 1);
            let hours = (now - DateTime::UNIX_EPOCH).num_hours();
            store.push(made(generation, hours));
        }
        if let Some(first) = needed_from(store, now) {
            store.retain(|known| known.generation >= first);
        }
        let by = store[issuer(store, now).unwrap()];
        match shown {
            Some(shown) if shown.generation == by.generation && !shown.life.is_half_over(now) => {
                shown
            }
            _ => Shown {
                generation: by.generation,
                life: Life {
                    from: now,
                    until: (now + LEAF_LIFE).min(by.expires_at),
                },
            },
        }
    }

    proptest! {
        #[test]
        fn in_thirty_years_nobody_ever_shows_what_is_not_trusted_or_has_ended(
            rounds in proptest::collection::vec((0_usize..3, 1_i64..9 * 24), 2_500)
        ) {
            let mut store = Vec::new();
            let mut shown: [Option<Shown>; 3] = [None; 3];
            let mut last = [0; 3];
            // what those who trust have read: once a day at the latest
            let mut trusted: Vec<i64> = Vec::new();
            let (mut hour, mut read) = (0, i64::MIN);
            for (instance, pause) in rounds {
                hour += pause;
                let now = at(hour);
                // an instance is without the store for some days at a time, never for half the life of a certificate
                for n in 0..3 {
                    if n == instance || hour - last[n] > 20 * 24 {
                        shown[n] = Some(round(&mut store, shown[n], now));
                        last[n] = hour;
                    }
                }
                let living = store.iter().filter(|known| known.lives(now));
                let living: Vec<_> = living.map(|known| known.generation).collect();
                let first_contact = read == i64::MIN;
                for shown in shown.iter().flatten() {
                    prop_assert!(now < shown.life.until, "{shown:?} has ended at {now}");
                    prop_assert!(living.contains(&shown.generation), "{shown:?} is not told of");
                    prop_assert!(first_contact || trusted.contains(&shown.generation) || hour - read > 24);
                }
                if first_contact || hour - read >= 24 {
                    (trusted, read) = (living, hour);
                }
                prop_assert!(store.len() <= 2);
            }
            prop_assert!(hour < 40 * YEAR && store.last().unwrap().generation >= hour / (10 * YEAR));
        }
    }
}
