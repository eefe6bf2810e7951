//! The stream on Redis, for several instances together.
//!
//! What may be lost, and nothing else: it is a read model, so a server that was flushed or restored is noticed and the stream
//! is built again. Every step is one script, so that windows, bodies, the change log and the marks of what was read move
//! together, and nothing of it moves for an older version, however often and by whomever a record is applied.
//!
//! Keys: `f:active` and `f:building` name generations, whose keys begin with `f:<generation>:`
//!
//! * `tl:<audience>` and `by:<user>`: sorted sets of places, all of one score, so that they sort by text: time and id. `ln`: what is
//!   known of each of them, its floor and its pins; `thin`: those with room.
//! * `ag`: what is known of each post; `it`: its body as ready JSON. `held`, `heldq`: updates before their post. `rem`, `pe`, `fe`: when
//!   something ends; `fo`: foreign posts.
//! * `nv`, `nm`: names; `rt`: rights; `mk`: where topics were read; `log`, `logq`: the change log; `m`: sums and numbers.
//!
//! [`scripts`] are the steps, [`text`] how things are written. [`changes`] applies, [`pages`] reads, [`tail`] follows the log,
//! [`building`] builds, [`fill`] does so with many posts at once, [`core`] holds what is known here.

mod building;
mod changes;
mod core;
mod fill;
mod pack;
mod pages;
mod refill;
mod reply;
mod scripts;
mod tail;
mod text;
mod told;
mod totals;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use backends::redis::{Heard as Notice, Redis, Subscription};
use chrono::{DateTime, Utc};
use contracts::events::PostState;
use contracts::{Audience, PostId, UserId};
use parking_lot::Mutex;
use uuid::Uuid;

use self::building::Renewing;
use self::core::Core;
use self::pages::Pages;
use self::tail::Looks;
use super::{Batch, Store, StoreError};
use crate::change::{Change, Effect, Mark};
use crate::live::{Heard, Listener, Place, Tuned, Turned};
use crate::position::Position;
use crate::projection::{Gap, Limits, Window};
use crate::query::{Answer, Figures, Query};

/// Where every instance hears that something was applied or shown.
const NEWS: &str = "f:news";

/// A stream on a Redis that other instances may use too.
#[derive(Debug)]
pub struct RedisStore {
    core: Arc<Core>,
    /// What holds the lease, if it is ours.
    me: Uuid,
    pages: Pages,
    looks: Looks,
    renewing: Mutex<Option<Renewing>>,
    news: tokio::sync::Mutex<Subscription>,
    deaf: AtomicBool,
    /// A change may have been applied although that was not answered, and what it did is not known.
    unsure: AtomicBool,
}

impl RedisStore {
    /// The stream there. `me` names this instance among those that build streams; `page_cache` is the bytes of rendered first pages
    /// that are kept here. Nobody is connected to yet, and a server that is away is waited for.
    #[must_use]
    pub fn new(redis: Redis, limits: Limits, page_cache: usize, me: Uuid) -> Self {
        let limits = Limits {
            window: limits.window.max(1),
            ..limits
        };
        let news = redis.subscribe(&[NEWS]);
        let core = Arc::new(Core::new(redis, limits));
        Self {
            pages: Pages::new(page_cache),
            looks: Looks::over(core.clone()),
            core,
            me,
            renewing: Mutex::default(),
            news: tokio::sync::Mutex::new(news),
            deaf: AtomicBool::new(false),
            unsure: AtomicBool::new(false),
        }
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn page(&self, query: &Query, now: DateTime<Utc>) -> Result<Answer, StoreError> {
        self.core.page(&self.pages, &self.looks, query, now).await
    }

    async fn apply(
        &self,
        change: Change,
        mark: Option<(Mark, DateTime<Utc>)>,
        now: DateTime<Utc>,
    ) -> Result<Effect, StoreError> {
        let read = mark.into_iter().collect();
        match self.core.change(None, vec![change], &read, now).await {
            Err(error) => {
                self.unsure.store(true, Ordering::SeqCst);
                Err(error)
            }
            Ok(effect) => Ok(match effect {
                Effect::Applied | Effect::Unchanged
                    if self.unsure.swap(false, Ordering::SeqCst) =>
                {
                    Effect::Thinned
                }
                effect => effect,
            }),
        }
    }

    async fn begin(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let (generation, renewing) = self.core.begin(self.me, now).await?;
        *self.renewing.lock() = Some(renewing);
        Ok(generation)
    }

    async fn add(
        &self,
        generation: u64,
        batch: Batch,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.core.fill(generation, &batch, now).await
    }

    async fn publish(&self, generation: u64) -> Result<(), StoreError> {
        self.core.end(self.me, generation, true).await?;
        *self.renewing.lock() = None;
        Ok(())
    }

    async fn abandon(&self, generation: u64) -> Result<(), StoreError> {
        match self.core.end(self.me, generation, false).await {
            Ok(()) => *self.renewing.lock() = None,
            Err(StoreError::Superseded) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn gaps(&self, building: Option<u64>) -> Result<Vec<Gap>, StoreError> {
        self.core.gaps(building).await
    }

    async fn refill(
        &self,
        gap: &Gap,
        found: &[PostState],
        end: bool,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        self.core.refill(gap, found, end, now).await
    }

    async fn foreign(
        &self,
        query: &Query,
        below: Position,
        limit: usize,
    ) -> Result<Vec<PostState>, StoreError> {
        self.core.foreign(query, below, limit).await
    }

    async fn windows(&self) -> Result<Option<Vec<Window>>, StoreError> {
        self.core.windows().await
    }

    async fn tune(&self, user: UserId, from: Option<Place>) -> Result<Tuned, StoreError> {
        self.core.tune(user, from).await
    }

    async fn hear(&self, listener: &Listener, most: usize) -> Result<Heard, StoreError> {
        self.core.listen();
        if self.looks.look().await?.is_none() {
            return Ok(Heard::Cold);
        }
        self.core.hear(listener, most).await
    }

    async fn turn(
        &self,
        listener: &Listener,
        audiences: &[Audience],
    ) -> Result<Turned, StoreError> {
        self.core.turn(listener, audiences).await
    }

    async fn version(&self, id: PostId) -> Result<Option<i64>, StoreError> {
        self.core.version(id).await
    }

    async fn name_version(&self, user: UserId) -> Result<Option<i64>, StoreError> {
        self.core.name_version(user).await
    }

    async fn names(&self, users: &[UserId]) -> Result<HashMap<UserId, String>, StoreError> {
        self.core.names(users).await
    }

    async fn figures(&self) -> Result<Figures, StoreError> {
        self.core.figures().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.core
            .redis
            .check()
            .await
            .map_err(|error| reply::failed(&error))?;
        self.core.back();
        if self.deaf.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable(
                "redis answers, but what happens elsewhere is not heard yet".to_owned(),
            ));
        }
        Ok(())
    }

    async fn news(&self) {
        let mut news = self.news.lock().await;
        loop {
            match news.next().await {
                Notice::Lost(error) => {
                    self.deaf.store(true, Ordering::SeqCst);
                    tracing::warn!(%error, "what other instances apply is not heard");
                }
                Notice::Began => {
                    self.core.back();
                    self.deaf.store(false, Ordering::SeqCst);
                    // Whatever was said before may have been missed.
                    return;
                }
                Notice::Message { .. } => return,
            }
        }
    }
}
