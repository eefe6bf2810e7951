//! Places of a minute on Redis: one sorted set for each who is counted, its members by their time. It goes when it is empty.

use async_trait::async_trait;
use backends::redis::{Redis, Script, cmd};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::limits::Windows;

/// `ARGV`: now and a minute in microseconds, the limit, the place. Answers -1, or the time of the oldest place.
const TAKE: &str = r"
local now, minute = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - minute)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then
    return tonumber(redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2])
end
redis.call('ZADD', KEYS[1], now, ARGV[4])
redis.call('PEXPIRE', KEYS[1], math.ceil(minute / 1000))
return -1
";
const MINUTE: i64 = 60_000_000;

/// The windows of one store.
pub struct RedisWindows {
    redis: Redis,
    store: Uuid,
    take: Script,
}

impl RedisWindows {
    /// Those of this store.
    pub fn new(redis: Redis, store: Uuid) -> Self {
        Self {
            redis,
            store,
            take: Script::new(TAKE),
        }
    }

    fn key(&self, key: &str) -> String {
        let store = self.store.simple();
        self.redis.key(&format!("auth:limit:{store}:{key}"))
    }
}

#[async_trait]
impl Windows for RedisWindows {
    async fn take(
        &self,
        key: &str,
        place: Uuid,
        limit: u32,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Result<(), u64>> {
        let now = now.timestamp_micros();
        let mut call = self.take.key(self.key(key));
        call.arg(now).arg(MINUTE).arg(limit);
        call.arg(place.simple().to_string());
        let oldest: i64 = self.redis.script(&call).await?;
        if oldest < 0 {
            return Ok(Ok(()));
        }
        let left = u64::try_from(oldest + MINUTE - now).unwrap_or(0);
        Ok(Err(left.div_ceil(1_000_000).max(1)))
    }

    async fn give_back(&self, key: &str, place: Uuid) -> anyhow::Result<()> {
        let mut command = cmd("ZREM");
        command.arg(self.key(key)).arg(place.simple().to_string());
        self.redis.run::<i64>(&command).await?;
        Ok(())
    }
}

#[cfg(test)]
#[cfg(feature = "redis-tests")]
mod tests {
    use backends::testing;
    use kit::{Clock as _, MockClock, RandomIds, token::KeyRing};

    use super::*;
    use crate::{
        limits::{Limit, Limits},
        window::Counted,
    };

    fn limits(redis: &Redis, clock: &MockClock) -> [Limit; 2] {
        let keys = KeyRing::hs256(&"hH3c9Pz0vQm4sK7tWb2xYd5eRf8gJl1n".into(), "x").unwrap();
        let ids = RandomIds::shared(clock.shared());
        [(); 2].map(|()| {
            let windows = RedisWindows::new(redis.clone(), Uuid::from_u128(1));
            let windows = std::sync::Arc::new(windows);
            Limits::new(Some(windows), &keys, ids.clone()).per_minute("guesses", 3)
        })
    }

    #[tokio::test]
    async fn places_that_were_taken_there_are_not_free_here() {
        let (server, clock) = (testing::redis(), MockClock::default());
        let redis = server.open();
        let [here, there] = limits(&redis, &clock);
        let whom = Counted::address("192.0.2.7".parse().unwrap());
        let first = here.take(whom, clock.now()).await.unwrap();
        clock.advance(chrono::TimeDelta::seconds(10));
        there.take(whom, clock.now()).await.unwrap();
        there.take(whom, clock.now()).await.unwrap();
        assert_eq!(here.take(whom, clock.now()).await.unwrap_err(), 50);
        let other = Counted::Account(7);
        here.take(other, clock.now()).await.unwrap();
        here.give_back(first).await;
        there.take(whom, clock.now()).await.unwrap();
        assert_eq!(here.take(whom, clock.now()).await.unwrap_err(), 60);
        clock.advance(chrono::TimeDelta::seconds(60));
        here.take(whom, clock.now()).await.unwrap();
        let keys: Vec<String> = redis.run(cmd("KEYS").arg(redis.key("*"))).await.unwrap();
        assert_eq!(keys.len(), 2);
        for key in keys {
            // below the service's own prefix, and nobody's address
            let own = key.strip_prefix(&redis.key("auth:limit:")).unwrap();
            assert!(!own.contains("192.0.2"), "{own}");
            let ttl: i64 = redis.run(cmd("PTTL").arg(&key)).await.unwrap();
            assert!((1..=60_000).contains(&ttl), "{ttl}");
        }
    }

    #[tokio::test]
    async fn while_redis_is_away_each_counts_for_itself() {
        let (server, clock) = (testing::redis(), MockClock::default());
        let cable = testing::Cable::to(&server.place()).await;
        let redis = Redis::open("auth.redis", &server.url_at(&cable.place())).unwrap();
        let [here, there] = limits(&redis, &clock);
        let whom = Counted::Account(7);
        cable.cut();
        for limit in [&here, &there] {
            for _ in 0..3 {
                limit.take(whom, clock.now()).await.unwrap();
            }
            assert_eq!(limit.take(whom, clock.now()).await.unwrap_err(), 60);
        }
    }
}
