//! The limit of requests per client address (spec/operations.md rule 2): no queue, an answer at once.

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use kit::clock::SharedClock;

use crate::client::ClientKey;

type Limiter = RateLimiter<ClientKey, DashMapStateStore<ClientKey>, Time, NoOpMiddleware<Nanos>>;

/// Counts requests per client. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct RateLimit {
    limiter: Arc<Limiter>,
    time: Time,
}

impl RateLimit {
    /// Lets `burst` requests of a client pass at once and `per_second` after that.
    #[must_use]
    pub fn new(per_second: NonZeroU32, burst: NonZeroU32, clock: SharedClock) -> Self {
        let time = Time(clock);
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self {
            limiter: Arc::new(RateLimiter::new(
                quota,
                DashMapStateStore::default(),
                time.clone(),
            )),
            time,
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// How many whole seconds the client should wait, when it has used up what it has.
    pub fn check(&self, client: ClientKey) -> Result<(), u64> {
        self.limiter.check_key(&client).map_err(|refused| {
            let wait = refused.wait_time_from(self.time.now());
            wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
        })
    }

    /// Forgets the clients that have everything again, so that memory follows the clients of the last seconds.
    pub fn forget_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }

    /// How many clients are remembered.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.limiter.len()
    }
}

/// The service's clock, as governor reads it: nanoseconds since 1970.
#[derive(Clone, Debug)]
struct Time(SharedClock);

impl Clock for Time {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let since = self
            .0
            .now()
            .timestamp_nanos_opt()
            .and_then(|nanos| u64::try_from(nanos).ok());
        Nanos::new(since.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Duration;
    use kit::clock::MockClock;
    use proptest::prelude::*;

    fn client(last: u8) -> ClientKey {
        ClientKey::of(Some([192, 0, 2, last].into()))
    }

    fn limit(per_second: u32, burst: u32, clock: &MockClock) -> RateLimit {
        RateLimit::new(
            NonZeroU32::new(per_second).unwrap(),
            NonZeroU32::new(burst).unwrap(),
            clock.shared(),
        )
    }

    #[test]
    fn of_300_requests_in_one_instant_200_pass_and_a_second_client_is_unaffected() {
        let clock = MockClock::default();
        let limit = limit(100, 200, &clock);
        let passed = (0..300).filter(|_| limit.check(client(1)).is_ok()).count();
        assert_eq!(passed, 200);
        assert_eq!(limit.check(client(1)), Err(1));
        assert_eq!(limit.check(client(2)), Ok(()));
    }

    #[test]
    fn of_64_threads_that_ask_at_once_the_burst_passes_and_not_one_more() {
        let clock = MockClock::default();
        let limit = limit(1, 200, &clock);
        let passed: usize = std::thread::scope(|scope| {
            let ask = || (0..10).filter(|_| limit.check(client(1)).is_ok()).count();
            let threads: Vec<_> = (0..64).map(|_| scope.spawn(ask)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(passed, 200);
    }

    #[test]
    fn a_second_later_a_hundred_more_pass() {
        let clock = MockClock::default();
        let limit = limit(100, 200, &clock);
        while limit.check(client(1)).is_ok() {}
        clock.advance(Duration::seconds(1));
        assert_eq!(
            (0..300).filter(|_| limit.check(client(1)).is_ok()).count(),
            100
        );
    }

    #[test]
    fn clients_that_have_everything_again_are_forgotten() {
        let clock = MockClock::default();
        let limit = limit(100, 200, &clock);
        for last in 0..=255 {
            limit.check(client(last)).unwrap();
        }
        limit.forget_idle();
        assert_eq!(limit.clients(), 256);
        clock.advance(Duration::seconds(3));
        limit.check(client(7)).unwrap();
        limit.forget_idle();
        assert_eq!(limit.clients(), 1);
    }

    proptest! {
        #[test]
        fn it_counts_like_a_bucket_that_is_refilled(rate in 1u32..50, burst in 1u32..50, steps in prop::collection::vec(0u64..400, 1..60)) {
            let clock = MockClock::default();
            let limit = limit(rate, burst, &clock);
            // Tokens in nanoseconds of refill time, as whole numbers: one request costs one interval.
            let interval = 1_000_000_000 / u64::from(rate);
            let full = interval * u64::from(burst);
            let mut tokens = full;
            for step in steps {
                clock.advance(Duration::milliseconds(i64::try_from(step).unwrap()));
                tokens = full.min(tokens + step * 1_000_000);
                let expected = tokens >= interval;
                if expected {
                    tokens -= interval;
                }
                prop_assert_eq!(limit.check(client(1)).is_ok(), expected);
            }
        }
    }
}
