//! Limits per client address over a sliding minute (spec/auth.md rule 20).

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
};

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;

const MINUTE: TimeDelta = TimeDelta::minutes(1);
/// Keys held before the idle ones are dropped, so that a flood of addresses does not fill the memory.
const SWEEP_AT: usize = 10_000;

/// Whom a limit counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counted {
    /// An address; of IPv6 the /64 network, which is what one household gets.
    Address(IpAddr),
    /// An account, for addresses that many people share.
    Account(i64),
}

impl Counted {
    /// The key of an address.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Self::Address(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
            v4 => Self::Address(v4),
        }
    }
}

/// At most `limit` events per key within any minute.
#[derive(Debug)]
pub struct PerMinute<K = Counted> {
    limit: usize,
    taken: Mutex<HashMap<K, VecDeque<DateTime<Utc>>>>,
}

impl<K: Eq + Hash + Copy> PerMinute<K> {
    /// `limit` 0 means no limit.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            taken: Mutex::default(),
        }
    }

    /// Takes one place now.
    ///
    /// # Errors
    /// The seconds until a place is free, at least 1.
    pub fn take(&self, key: K, now: DateTime<Utc>) -> Result<(), u64> {
        if self.limit == 0 {
            return Ok(());
        }
        let mut taken = self.taken.lock();
        if taken.len() >= SWEEP_AT {
            taken.retain(|_, times| times.back().is_some_and(|last| now - *last < MINUTE));
        }
        let times = taken.entry(key).or_default();
        while times.front().is_some_and(|first| now - *first >= MINUTE) {
            times.pop_front();
        }
        if times.len() >= self.limit {
            let left = times
                .front()
                .map_or(0, |first| (*first + MINUTE - now).num_milliseconds());
            return Err(u64::try_from(left).unwrap_or(0).div_ceil(1000).max(1));
        }
        times.push_back(now);
        Ok(())
    }

    /// Gives the place taken at `at` back: what it was taken for does not count after all.
    pub fn give_back(&self, key: K, at: DateTime<Utc>) {
        let mut taken = self.taken.lock();
        if let Some(times) = taken.get_mut(&key) {
            if let Some(place) = times.iter().rposition(|time| *time == at) {
                times.remove(place);
            }
            if times.is_empty() {
                taken.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_800_000_000_000 + millis).unwrap()
    }

    #[test]
    fn a_full_minute_says_when_the_next_place_is_free() {
        let limit = PerMinute::new(2);
        assert_eq!(limit.take("a", at(0)), Ok(()));
        assert_eq!(limit.take("a", at(500)), Ok(()));
        assert_eq!(limit.take("a", at(1000)), Err(59));
        assert_eq!(
            limit.take("b", at(1000)),
            Ok(()),
            "each key has its own places"
        );
        limit.give_back("a", at(500));
        assert_eq!(limit.take("a", at(1000)), Ok(()));
    }

    #[test]
    fn one_household_is_one_key() {
        let key = |text: &str| Counted::address(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    proptest! {
        #[test]
        fn no_minute_holds_more_than_the_limit(limit in 1u32..6, gaps in proptest::collection::vec(0i64..40_000, 1..80)) {
            let counter = PerMinute::new(limit);
            let (mut now, mut granted) = (0, Vec::<i64>::new());
            for gap in gaps {
                now += gap;
                let recent = granted.iter().filter(|time| now - **time < 60_000).count();
                let free = recent < limit as usize;
                prop_assert_eq!(counter.take((), at(now)).is_ok(), free);
                if free { granted.push(now); }
            }
        }
    }
}
