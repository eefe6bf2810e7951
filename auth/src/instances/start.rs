//! How a process takes its part: alone, as one of several, or as a guest.

#[cfg(feature = "redis")]
use std::sync::Arc;

use backends::db::{Db, Hold, Share};
use kit::{
    SharedIds,
    metrics::Metrics,
    service::{Check, Worker},
};
use uuid::Uuid;

use super::{Instances, hold, keeper, notice::SharedNotices, standby::SharedStandby};
use crate::{config::Config, limits::SharedWindows, store::Store};

/// Makes what the instances of a store, which has this identity, share beside it.
pub type Sharing = Box<dyn FnOnce(Uuid, SharedIds) -> Shared + Send>;

/// What instances share beside their store.
pub struct Shared {
    /// How they reach one another.
    pub notices: SharedNotices,
    /// Where their leases are while the store is away.
    pub standby: SharedStandby,
    /// Where they count together; none: each for itself.
    pub windows: Option<SharedWindows>,
}

/// What a process wants to be on its store.
pub enum Place {
    /// The only instance.
    Alone,
    /// One of several.
    #[cfg_attr(
        not(any(feature = "redis", test)),
        expect(dead_code, reason = "a program without Redis is alone")
    )]
    Among(Sharing),
    /// A command, beside the instances or without any.
    Guest,
}

/// A part that is taken.
pub struct Joined {
    /// The store as it is seen from this place.
    pub store: Store,
    /// Where all instances count together, if there are several.
    pub windows: Option<SharedWindows>,
    /// What keeps it so.
    pub workers: Vec<Worker>,
    /// For readiness.
    pub check: Option<Check>,
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
            Ok(Self::Among(Box::new(move |store, ids| Shared {
                notices: Arc::new(super::redis::RedisNotices::new(redis.clone(), store)),
                standby: Arc::new(super::standby::RedisStandby::new(redis.clone(), store, ids)),
                windows: Some(Arc::new(super::windows::RedisWindows::new(redis, store))),
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
    /// Takes part.
    ///
    /// # Errors
    /// The store's.
    pub async fn join(
        self,
        store: Store,
        ids: &SharedIds,
        metrics: &Metrics,
    ) -> anyhow::Result<Joined> {
        let mut windows = None;
        let instances = match self.place {
            Place::Alone => Instances::alone(),
            Place::Guest => Instances::guest(),
            Place::Among(sharing) => {
                let shared = sharing(store.identity(ids.uuid()).await?, ids.clone());
                windows = shared.windows;
                Instances::member(ids.uuid(), shared.notices, shared.standby, metrics.clone())
            }
        };
        let check = instances.readiness();
        let store = store.among(instances);
        let mut workers: Vec<Worker> = keeper::keep(store.clone()).into_iter().collect();
        workers.extend(self.hold.map(|(hold, share)| hold::keep(hold, share)));
        Ok(Joined {
            store,
            windows,
            workers,
            check,
        })
    }
}
