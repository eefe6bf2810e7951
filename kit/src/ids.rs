//! Chance as a parameter: whoever needs an id or a secret is given [`Ids`].

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::clock::SharedClock;

/// Makes ids and secrets.
pub trait Ids: Send + Sync + fmt::Debug {
    /// A UUID of version 7 with the clock's time. Each is greater than the one before, within this maker.
    fn uuid(&self) -> Uuid;
    /// A 12-byte id: 4 bytes unix seconds, 5 bytes of this maker, 3 bytes counter. Each is greater than the one
    /// before, within this maker.
    fn object_id(&self) -> [u8; 12];
    /// 32 bytes that nobody can guess (from [`RandomIds`]; [`SeededIds`] are for tests).
    fn secret(&self) -> [u8; 32];
}

/// A maker of ids as services hold it.
pub type SharedIds = Arc<dyn Ids>;

/// Ids from the operating system's randomness.
pub struct RandomIds(Mutex<Maker<Pool>>);

impl RandomIds {
    /// A new maker to be shared; its ids carry the time of `clock`.
    #[must_use]
    pub fn shared(clock: SharedClock) -> SharedIds {
        Arc::new(Self(Mutex::new(Maker::new(clock, Pool::default()))))
    }
}

impl fmt::Debug for RandomIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RandomIds")
    }
}

impl Ids for RandomIds {
    fn uuid(&self) -> Uuid {
        self.0.lock().uuid()
    }

    fn object_id(&self) -> [u8; 12] {
        self.0.lock().object_id()
    }

    fn secret(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        fill(&mut bytes);
        bytes
    }
}

/// The same ids again for the same seed and clock: for tests and snapshots.
///
/// Each kind of id has a stream of its own, so that how many ids of one kind a background task draws does not change those
/// of another.
pub struct SeededIds {
    uuids: Mutex<Maker<SplitMix>>,
    objects: Mutex<Maker<SplitMix>>,
    secrets: Mutex<SplitMix>,
}

impl SeededIds {
    /// A maker that begins at `seed`; its ids carry the time of `clock`.
    #[must_use]
    pub fn new(seed: u64, clock: SharedClock) -> Self {
        let stream = |n: u64| SplitMix(seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self {
            uuids: Mutex::new(Maker::new(clock.clone(), stream(1))),
            objects: Mutex::new(Maker::new(clock, stream(2))),
            secrets: Mutex::new(stream(3)),
        }
    }

    /// The same, to be shared.
    #[must_use]
    pub fn shared(seed: u64, clock: SharedClock) -> SharedIds {
        Arc::new(Self::new(seed, clock))
    }
}

impl fmt::Debug for SeededIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeededIds")
    }
}

impl Ids for SeededIds {
    fn uuid(&self) -> Uuid {
        self.uuids.lock().uuid()
    }

    fn object_id(&self) -> [u8; 12] {
        self.objects.lock().object_id()
    }

    fn secret(&self) -> [u8; 32] {
        let mut chance = self.secrets.lock();
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&chance.u64().to_le_bytes());
        }
        bytes
    }
}

/// Where randomness comes from.
trait Chance {
    fn u64(&mut self) -> u64;
}

/// The operating system's randomness, fetched a page at a time: one system call for 64 ids. Only for ids; secrets are
/// fetched singly and leave no copy here.
#[derive(Default)]
struct Pool {
    words: Vec<u64>,
}

impl Chance for Pool {
    fn u64(&mut self) -> u64 {
        if let Some(word) = self.words.pop() {
            return word;
        }
        let mut bytes = [0; 1024];
        fill(&mut bytes);
        self.words.extend(bytes.chunks_exact(8).map(|c| {
            let mut word = [0; 8];
            word.copy_from_slice(c);
            u64::from_le_bytes(word)
        }));
        self.words.pop().unwrap_or_default()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that asks the operating system for randomness"
)]
fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system always has randomness once it has started");
}

/// Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014).
struct SplitMix(u64);

impl Chance for SplitMix {
    fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The tail of a version 7 UUID: 12 bits `rand_a` and 62 bits `rand_b`.
const TAIL_BITS: u32 = 74;

struct Maker<C> {
    clock: SharedClock,
    chance: C,
    millis: u64,
    tail: u128,
    seconds: u32,
    mine: [u8; 5],
    counter: u32,
}

impl<C: Chance> Maker<C> {
    fn new(clock: SharedClock, mut chance: C) -> Self {
        let word = chance.u64().to_le_bytes();
        let mine = [word[0], word[1], word[2], word[3], word[4]];
        Self {
            clock,
            chance,
            millis: 0,
            tail: 0,
            seconds: 0,
            mine,
            counter: 0,
        }
    }

    /// RFC 9562 section 6.2, method 2: within a millisecond the tail grows by a random step.
    fn uuid(&mut self) -> Uuid {
        let now = u64::try_from(self.clock.now().timestamp_millis()).unwrap_or(0);
        if now > self.millis {
            self.millis = now;
            self.tail = self.fresh_tail();
        } else {
            self.tail += 1 + u128::from(self.chance.u64() >> 32);
            if self.tail >> TAIL_BITS != 0 {
                self.millis += 1;
                self.tail = self.fresh_tail();
            }
        }
        let rand_a = self.tail >> 62;
        let rand_b = self.tail & ((1 << 62) - 1);
        let bits =
            (u128::from(self.millis) << 80) | (0x7 << 76) | (rand_a << 64) | (0b10 << 62) | rand_b;
        Uuid::from_u128(bits)
    }

    /// The highest bit is left clear, so that there is room to grow within the millisecond.
    fn fresh_tail(&mut self) -> u128 {
        let wide = (u128::from(self.chance.u64()) << 64) | u128::from(self.chance.u64());
        wide & ((1 << (TAIL_BITS - 1)) - 1)
    }

    fn object_id(&mut self) -> [u8; 12] {
        let now = u32::try_from(self.clock.now().timestamp()).unwrap_or(u32::MAX);
        if now > self.seconds {
            self.seconds = now;
            // a random start below the middle: another maker with the same five bytes would still differ
            self.counter = (self.chance.u64() as u32) & 0x007f_ffff;
        } else if self.counter == 0x00ff_ffff {
            self.seconds = self.seconds.saturating_add(1);
            self.counter = 0;
        } else {
            self.counter += 1;
        }
        let mut id = [0; 12];
        id[..4].copy_from_slice(&self.seconds.to_be_bytes());
        id[4..9].copy_from_slice(&self.mine);
        id[9..].copy_from_slice(&self.counter.to_be_bytes()[1..]);
        id
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::*;
    use crate::clock::MockClock;

    fn increasing<T: Ord + fmt::Debug>(ids: &[T]) {
        assert!(ids.is_sorted_by(|a, b| a < b), "not strictly increasing");
    }

    #[test]
    fn uuids_are_version_7_with_the_clocks_time() {
        let clock = MockClock::default();
        let id = RandomIds::shared(clock.shared()).uuid();
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanos), (1_772_438_400, 0));
    }

    #[test]
    fn ids_stay_increasing_while_the_clock_stands_or_jumps_back() {
        let clock = MockClock::default();
        let ids = RandomIds::shared(clock.shared());
        let mut uuids = Vec::new();
        let mut objects = Vec::new();
        for round in 0..3_000 {
            if round == 1_000 {
                clock.advance(Duration::milliseconds(1_500));
            }
            if round == 2_000 {
                clock.advance(Duration::hours(-1));
            }
            uuids.push(ids.uuid());
            objects.push(ids.object_id());
        }
        increasing(&uuids);
        increasing(&objects);
    }

    #[test]
    fn an_object_id_begins_with_the_seconds_of_the_clock() {
        let clock = MockClock::default();
        let id = SeededIds::new(1, clock.shared()).object_id();
        assert_eq!(
            u32::from_be_bytes([id[0], id[1], id[2], id[3]]),
            1_772_438_400
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_ids_and_another_seed_gives_others() {
        let make = |seed| {
            let ids = SeededIds::new(seed, MockClock::default().shared());
            (ids.uuid(), ids.object_id(), ids.secret(), ids.uuid())
        };
        assert_eq!(make(7), make(7));
        assert_ne!(make(7), make(8));
    }

    #[test]
    fn two_secrets_differ() {
        let ids = RandomIds::shared(MockClock::default().shared());
        assert_ne!(ids.secret(), ids.secret());
    }
}
