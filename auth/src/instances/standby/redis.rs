//! The second place on Redis: one hash, with the place's life, when that began, the last number, and until when who has a lease.
//! Times are microseconds.

use std::collections::HashSet;

use async_trait::async_trait;
use backends::redis::{Redis, Script, ScriptInvocation, cmd};
use chrono::{DateTime, Utc};
use kit::SharedIds;
use uuid::Uuid;

use super::{Life, Standby};
use crate::instances::trust::LEASE;

/// Before what comes with the number of a change. `ARGV`: the number, now, and a life in case there is none.
const NUMBER: &str = r"
local place, number, now = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
if redis.call('HSETNX', place, 'life', ARGV[3]) == 1 then
    redis.call('HSET', place, 'began', ARGV[2])
end
if number > tonumber(redis.call('HGET', place, 'number') or '-1') then
    redis.call('HSET', place, 'number', ARGV[1])
end
";
/// `ARGV` further: who. Answers the life.
const RENEWED_IN_STORE: &str = r"
redis.call('HDEL', place, 'until:' .. ARGV[4])
return redis.call('HGET', place, 'life')
";
/// `ARGV` further: who, and how long a lease is. Answers the others who have one, or nothing where the place is too young.
const CHANGED: &str = r"
local others, all = {}, redis.call('HGETALL', place)
for at = 1, #all, 2 do
    local who = string.match(all[at], '^until:(.+)$')
    if who then
        if tonumber(all[at + 1]) <= now then
            redis.call('HDEL', place, all[at])
        elseif who ~= ARGV[4] then
            table.insert(others, who)
        end
    end
end
if now - tonumber(redis.call('HGET', place, 'began')) < tonumber(ARGV[5]) then
    return false
end
return others
";
/// `ARGV`: who, the life, until when. Answers the number, or nothing in another life.
const RENEW: &str = r"
if redis.call('HGET', KEYS[1], 'life') ~= ARGV[2] then
    return false
end
redis.call('HSET', KEYS[1], 'until:' .. ARGV[1], ARGV[3])
return tonumber(redis.call('HGET', KEYS[1], 'number'))
";

/// The place of one store.
pub struct RedisStandby {
    redis: Redis,
    key: String,
    ids: SharedIds,
    renewed_in_store: Script,
    changed: Script,
    renew: Script,
}

impl RedisStandby {
    /// That of this store.
    pub fn new(redis: Redis, store: Uuid, ids: SharedIds) -> Self {
        let key = redis.key(&format!("auth:standby:{}", store.simple()));
        Self {
            redis,
            key,
            ids,
            renewed_in_store: Script::new(&format!("{NUMBER}{RENEWED_IN_STORE}")),
            changed: Script::new(&format!("{NUMBER}{CHANGED}")),
            renew: Script::new(RENEW),
        }
    }

    fn with_number<'s>(
        &self,
        script: &'s Script,
        number: i64,
        now: DateTime<Utc>,
    ) -> ScriptInvocation<'s> {
        let mut call = script.key(&self.key);
        call.arg(number).arg(now.timestamp_micros());
        call.arg(self.ids.uuid().to_string());
        call
    }
}

#[async_trait]
impl Standby for RedisStandby {
    async fn renewed_in_store(
        &self,
        me: Uuid,
        number: i64,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Life> {
        let mut call = self.with_number(&self.renewed_in_store, number, now);
        call.arg(me.to_string());
        let life: String = self.redis.script(&call).await?;
        Ok(Life(life.parse()?))
    }

    async fn renew(
        &self,
        me: Uuid,
        life: Life,
        until: DateTime<Utc>,
    ) -> anyhow::Result<Option<i64>> {
        let mut call = self.renew.key(&self.key);
        call.arg(me.to_string()).arg(life.0.to_string());
        call.arg(until.timestamp_micros());
        Ok(self.redis.script(&call).await?)
    }

    async fn changed(
        &self,
        me: Uuid,
        number: i64,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Option<HashSet<Uuid>>> {
        let mut call = self.with_number(&self.changed, number, now);
        let lease = u64::try_from(LEASE.as_micros())?;
        call.arg(me.to_string()).arg(lease);
        let others: Option<Vec<String>> = self.redis.script(&call).await?;
        let Some(others) = others else {
            return Ok(None);
        };
        let ids: Result<HashSet<Uuid>, uuid::Error> =
            others.iter().map(|other| other.parse()).collect();
        Ok(Some(ids?))
    }

    async fn forget(&self) -> anyhow::Result<()> {
        self.redis.run::<i64>(cmd("DEL").arg(&self.key)).await?;
        Ok(())
    }
}
