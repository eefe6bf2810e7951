//! How a process takes its part: alone, as one of several, or as a guest.

use backends::db::{Db, Hold, Share};
use kit::{
    SharedIds,
    metrics::Metrics,
    service::{Check, Worker},
};
use uuid::Uuid;

use super::{Instances, hold, keeper, notice::SharedNotices};
use crate::{config::Config, store::Store};

/// Makes the channel of a store.
pub type Channel = Box<dyn FnOnce(Uuid) -> SharedNotices + Send>;

/// What a process wants to be on its store.
pub enum Place {
    /// The only instance.
    Alone,
    /// One of several that reach one another by a channel.
    #[cfg_attr(
        not(any(feature = "redis", test)),
        expect(dead_code, reason = "a program without Redis is alone")
    )]
    Among(Channel),
    /// A command, beside the instances or without any.
    Guest,
}

/// A place that is taken.
pub struct Taken {
    place: Place,
    hold: Option<(Hold, Share)>,
}

impl Place {
    /// As the settings say.
    ///
    /// # Errors
    /// An address that is none, or a program without Redis.
    pub fn of(config: &Config) -> anyhow::Result<Self> {
        if config.redis.is_empty() {
            return Ok(Self::Alone);
        }
        #[cfg(feature = "redis")]
        {
            let redis = backends::redis::Redis::open("auth.redis", &config.redis)?;
            Ok(Self::Among(Box::new(move |store| {
                std::sync::Arc::new(super::redis::RedisNotices::new(redis, store))
            })))
        }
        #[cfg(not(feature = "redis"))]
        anyhow::bail!(
            "auth.redis is set, but this program was built without Redis: build it with `--features redis`"
        )
    }

    /// Claims the store, before anything is read or changed there.
    ///
    /// # Errors
    /// When somebody is there who would not see what is changed here, and the store's.
    pub async fn take(self, db: &Db) -> anyhow::Result<Taken> {
        let share = match &self {
            Self::Alone => Some(Share::Alone),
            Self::Among(_) => Some(Share::Together),
            Self::Guest => None,
        };
        let hold = match share {
            Some(share) => Some((hold::claim(db, share, hold::PATIENCE).await?, share)),
            None => None,
        };
        Ok(Taken { place: self, hold })
    }
}

impl Taken {
    /// The store as it is seen from this place, and what keeps it so.
    ///
    /// # Errors
    /// The store's.
    pub async fn join(
        self,
        store: Store,
        ids: &SharedIds,
        metrics: &Metrics,
    ) -> anyhow::Result<(Store, Vec<Worker>, Option<Check>)> {
        let instances = match self.place {
            Place::Alone => Instances::alone(),
            Place::Guest => Instances::guest(),
            Place::Among(channel) => {
                let channel = channel(store.identity(ids.uuid()).await?);
                Instances::member(ids.uuid(), channel, metrics.clone())
            }
        };
        let check = instances.readiness();
        let store = store.among(instances);
        let mut workers: Vec<Worker> = keeper::keep(store.clone()).into_iter().collect();
        workers.extend(self.hold.map(|(hold, share)| hold::keep(hold, share)));
        Ok((store, workers, check))
    }
}
