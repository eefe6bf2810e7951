//! Notices over Redis: one channel for all, and one for each instance.

use async_trait::async_trait;
use backends::redis::{self, Redis, Subscription};
use uuid::Uuid;

use super::notice::{Ear, Heard, Notice, Notices};

/// The notices of one store.
#[derive(Debug)]
pub struct RedisNotices {
    redis: Redis,
    /// The channel that everybody listens to.
    all: String,
}

impl RedisNotices {
    /// Those of this store: numbers of two stores must not meet, though they share a Redis.
    pub fn new(redis: Redis, store: Uuid) -> Self {
        // the name begins with the service's, as its rights on Redis do
        let all = format!("auth:notices:{}", store.simple());
        Self { redis, all }
    }

    fn one(&self, instance: Uuid) -> String {
        format!("{}:{}", self.all, instance.simple())
    }
}

#[async_trait]
impl Notices for RedisNotices {
    async fn tell(&self, notice: &Notice) -> anyhow::Result<()> {
        let channel = match notice {
            Notice::Confirmed { to, .. } => self.one(*to),
            Notice::Changed { .. } | Notice::Made { .. } => self.all.clone(),
        };
        self.redis
            .publish(&channel, notice.to_string().as_bytes())
            .await?;
        Ok(())
    }

    fn listen(&self, instance: Uuid) -> Box<dyn Ear> {
        let channels = [&*self.all, &self.one(instance)];
        Box::new(RedisEar(self.redis.subscribe(&channels)))
    }
}

struct RedisEar(Subscription);

#[async_trait]
impl Ear for RedisEar {
    async fn next(&mut self) -> Heard {
        match self.0.next().await {
            redis::Heard::Began => Heard::Began,
            redis::Heard::Lost(error) => Heard::Lost(error.to_string()),
            redis::Heard::Message { payload, .. } => Heard::read(&payload),
        }
    }
}
