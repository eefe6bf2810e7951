//! Limits of a minute (spec/auth.md rule 20) that hold over all instances: each counts for itself, and on their Redis for all. While
//! that is away, each counts for itself.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use kit::{SharedIds, token::KeyRing};
use sha2::Sha256;
use uuid::Uuid;

use crate::window::{Counted, PerMinute};

/// How long is waited for what the others counted; a login takes longer anyway.
const PATIENCE: Duration = Duration::from_millis(250);

/// Places of a minute that all instances share.
#[async_trait]
pub trait Windows: Send + Sync {
    /// Takes a place if one of `limit` is free; else answers the seconds until one is.
    ///
    /// # Errors
    /// When nobody can say.
    async fn take(
        &self,
        key: &str,
        place: Uuid,
        limit: u32,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Result<(), u64>>;

    /// Gives a place back.
    ///
    /// # Errors
    /// When it could not be.
    async fn give_back(&self, key: &str, place: Uuid) -> anyhow::Result<()>;
}

/// Windows as they are held.
pub type SharedWindows = Arc<dyn Windows>;

/// What limits are made of.
#[derive(Clone)]
pub struct Limits {
    windows: Option<SharedWindows>,
    /// Names are no one's address where they are kept.
    key: [u8; 32],
    ids: SharedIds,
}

impl Limits {
    /// With the windows of all instances, if there are several.
    #[must_use]
    pub fn new(windows: Option<SharedWindows>, keys: &KeyRing, ids: SharedIds) -> Self {
        Self {
            windows,
            key: keys.derived("schoolyard limits")[0],
            ids,
        }
    }

    /// The limit of this name; 0: none.
    #[must_use]
    pub fn per_minute(&self, name: &'static str, limit: u32) -> Limit {
        Limit {
            name,
            limit,
            here: PerMinute::new(limit),
            all: self.clone(),
        }
    }
}

/// A limit of so many places a minute.
pub struct Limit {
    name: &'static str,
    limit: u32,
    here: PerMinute,
    all: Limits,
}

/// A place that was taken.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    whom: Counted,
    at: DateTime<Utc>,
    id: Uuid,
}

impl Limit {
    /// Takes a place now.
    ///
    /// # Errors
    /// The seconds until a place is free, at least 1.
    pub async fn take(&self, whom: Counted, now: DateTime<Utc>) -> Result<Place, u64> {
        self.here.take(whom, now)?;
        let place = Place {
            whom,
            at: now,
            id: self.all.ids.uuid(),
        };
        if let Some(windows) = self.windows() {
            let key = self.key(whom);
            let taking = windows.take(&key, place.id, self.limit, now);
            match tokio::time::timeout(PATIENCE, taking).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(seconds))) => {
                    self.here.give_back(whom, now);
                    return Err(seconds);
                }
                Ok(Err(error)) => tracing::debug!(%error, "a limit counts for this instance only"),
                Err(_) => tracing::debug!("a limit counts for this instance only"),
            }
        }
        Ok(place)
    }

    /// Gives a place back: what it was taken for does not count after all.
    pub async fn give_back(&self, place: Place) {
        self.here.give_back(place.whom, place.at);
        if let Some(windows) = self.windows() {
            let key = self.key(place.whom);
            // one that is not given back is free a minute later
            let _ = tokio::time::timeout(PATIENCE, windows.give_back(&key, place.id)).await;
        }
    }

    fn windows(&self) -> Option<&SharedWindows> {
        self.all.windows.as_ref().filter(|_| self.limit > 0)
    }

    fn key(&self, whom: Counted) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.all.key)
            .expect("an HMAC takes a key of any length");
        mac.update(self.name.as_bytes());
        mac.update(&[0]);
        mac.update(format!("{whom:?}").as_bytes());
        hex::encode(&mac.finalize().into_bytes()[..16])
    }
}

impl std::fmt::Debug for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limit")
            .field("name", &self.name)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
