//! Redis, for what may be lost: what instances tell one another, counters, read models that are rebuilt.
//!
//! One handle per address: `redis://user:password@host:port/database?prefix=x:`. Nobody is connected to before the first
//! use; a connection that broke is made again by the next one who needs it. Every call has a time limit.

mod address;
mod error;
mod link;
mod subscription;

use std::{fmt, sync::Arc, time::Duration};

pub use ::redis::{
    Cmd, FromRedisValue, Pipeline, Script, ScriptInvocation, ToRedisArgs, Value, cmd, pipe,
};
use kit::service::{Check, CheckError};

use self::{address::Address, link::Link};
pub use self::{
    error::Error,
    subscription::{Heard, Subscription},
};

/// How long a call may take, unless [`Redis::within`] says otherwise.
const PATIENCE: Duration = Duration::from_secs(1);

/// A Redis server, and the part of its keys and channels that is ours. Cheap to clone.
#[derive(Clone)]
pub struct Redis {
    address: Arc<Address>,
    link: Arc<Link>,
    patience: Duration,
}

impl Redis {
    /// Takes the address apart, which the setting `setting` gives. A server that is away stops no start.
    ///
    /// # Errors
    /// [`Error::Configuration`], without the password.
    pub fn open(setting: &'static str, url: &str) -> Result<Redis, Error> {
        let address = Arc::new(Address::parse(setting, url)?);
        Ok(Redis {
            link: Link::new(address.clone())?,
            address,
            patience: PATIENCE,
        })
    }

    /// The same server and connection with another time limit.
    #[must_use]
    pub fn within(&self, patience: Duration) -> Redis {
        Redis {
            patience,
            ..self.clone()
        }
    }

    /// A key or channel of ours: the prefix of the address and then `name`. Whatever is sent names its keys by this.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.address.prefix)
    }

    /// Runs one command. After an error it may have happened all the same.
    pub async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        self.link
            .call(self.patience, async |mut connection| {
                command.query_async(&mut connection).await
            })
            .await
    }

    /// Runs commands in one round trip; with [`Pipeline::atomic`] all of them or none.
    pub async fn pipeline<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Error> {
        self.link
            .call(self.patience, async |mut connection| {
                commands.query_async(&mut connection).await
            })
            .await
    }

    /// Runs a script; its text goes over only where the server does not know it yet.
    pub async fn script<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, Error> {
        self.link
            .call(self.patience, async |mut connection| {
                script.invoke_async(&mut connection).await
            })
            .await
    }

    /// Says something to whoever listens now; answers how many did.
    pub async fn publish(&self, channel: &str, payload: &[u8]) -> Result<u64, Error> {
        let mut command = cmd("PUBLISH");
        command.arg(self.key(channel)).arg(payload);
        self.run(&command).await
    }

    /// Listens to channels from now on, over a connection of its own that is made again whenever it breaks.
    #[must_use]
    pub fn subscribe(&self, channels: &[&str]) -> Subscription {
        let channels = channels.iter().map(|channel| self.key(channel)).collect();
        Subscription::start(self.link.clone(), self.address.prefix.len(), channels)
    }

    /// Whether the server answers.
    pub async fn check(&self) -> Result<(), Error> {
        self.run(&cmd("PING")).await
    }

    /// What `/health/ready` asks: without it a service works, with less (`redis_unavailable`, 200 `degraded`).
    #[must_use]
    pub fn readiness(&self) -> Check {
        let redis = self.clone();
        Check::degrading("redis", move || {
            let redis = redis.clone();
            async move {
                redis
                    .check()
                    .await
                    .map_err(|error| CheckError::new("redis_unavailable", error))
            }
        })
    }
}

impl fmt::Debug for Redis {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("place", &self.address.place)
            .field("prefix", &self.address.prefix)
            .finish_non_exhaustive()
    }
}
