//! The stream in this process.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use contracts::{Audience, PostId, UserId};
use parking_lot::RwLock;

use super::cache::{Key, PageCache, Stamp, TotalCache};
use super::{Store, StoreError, hearing};
use crate::change::{Change, Effect, Mark};
use crate::live::{Heard, Listener, Log, Place, Tuned, Turned};
use crate::page;
use crate::projection::{Limits, Projection};
use crate::query::{Answer, Figures, Filter, Part, Query, Scope, Start};

/// Everything in memory; empty after every start.
#[derive(Debug)]
pub struct MemoryStore {
    limits: Limits,
    streams: RwLock<Streams>,
    pages: PageCache,
    totals: TotalCache<(Vec<Audience>, Filter)>,
}

#[derive(Debug)]
struct Streams {
    shown: Option<Projection>,
    /// Of the one that is shown.
    log: Log,
    filling: Option<Projection>,
    /// Counts the streams that were shown, so that no page of an earlier one passes for one of this.
    epoch: u64,
}

impl MemoryStore {
    /// An empty store. `page_cache` is the bytes of rendered first pages that are kept.
    #[must_use]
    pub fn new(limits: Limits, page_cache: usize) -> Self {
        Self {
            limits,
            streams: RwLock::new(Streams {
                shown: None,
                log: Log::new(0),
                filling: None,
                epoch: 0,
            }),
            pages: PageCache::new(page_cache),
            totals: TotalCache::default(),
        }
    }

    fn first_page(
        &self,
        shown: &Projection,
        epoch: u64,
        audiences: &[Audience],
        query: &Query,
        now: DateTime<Utc>,
    ) -> Answer {
        let selection = shown.select(audiences);
        let stamp = Stamp {
            epoch,
            newest: selection.stamp,
        };
        let key = Key {
            audiences: selection.audiences,
            limit: query.limit,
        };
        if let Some(ready) = self.pages.get(&key, stamp, now) {
            return Answer::Ready(ready);
        }
        let mut part = shown.page(query, now);
        part.total = Some(self.total(shown, stamp, &key.audiences, query));
        if part.rest.is_some() {
            return Answer::Part(part);
        }
        let until = part.until;
        let ready: Bytes = page::close(&part, query).into();
        self.pages.put(key, stamp, until, ready.clone());
        Answer::Ready(ready)
    }

    fn total(
        &self,
        shown: &Projection,
        stamp: Stamp,
        audiences: &[Audience],
        query: &Query,
    ) -> usize {
        let key = (audiences.to_vec(), query.filter.clone());
        if let Some(total) = self.totals.get(&key, stamp) {
            return total;
        }
        let total = shown.total(&query.scope, &query.filter);
        self.totals.put(key, stamp, total);
        total
    }

    fn part(&self, shown: &Projection, epoch: u64, query: &Query, now: DateTime<Utc>) -> Part {
        let mut part = shown.page(query, now);
        if let Start::Skip(_) = query.start {
            part.total = Some(match &query.scope {
                Scope::Audiences(audiences) => {
                    let selection = shown.select(audiences);
                    let stamp = Stamp {
                        epoch,
                        newest: selection.stamp,
                    };
                    self.total(shown, stamp, &selection.audiences, query)
                }
                Scope::By(_) => shown.total(&query.scope, &query.filter),
            });
        }
        part
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn page(&self, query: &Query, now: DateTime<Utc>) -> Result<Answer, StoreError> {
        let streams = self.streams.read();
        let Some(shown) = &streams.shown else {
            return Ok(Answer::Cold);
        };
        Ok(match &query.scope {
            Scope::Audiences(audiences)
                if query.start == Start::Skip(0) && query.filter.is_open() =>
            {
                self.first_page(shown, streams.epoch, audiences, query, now)
            }
            _ => Answer::Part(self.part(shown, streams.epoch, query, now)),
        })
    }

    async fn apply(
        &self,
        change: Change,
        mark: Option<(Mark, DateTime<Utc>)>,
        now: DateTime<Utc>,
    ) -> Result<Effect, StoreError> {
        let mut streams = self.streams.write();
        let Streams {
            shown,
            log,
            filling,
            ..
        } = &mut *streams;
        let mut effect = None;
        if let Some(filling) = filling {
            effect = Some(filling.apply(change.clone(), now));
            note(filling, mark.as_ref());
        }
        if let Some(shown) = shown {
            let (applied, told) = shown.apply_telling(change, now);
            if let Some(told) = told {
                log.push(told, now);
            }
            effect = Some(applied);
            note(shown, mark.as_ref());
        }
        effect.ok_or(StoreError::Lost)
    }

    async fn begin(&self) -> Result<(), StoreError> {
        self.streams.write().filling = Some(Projection::new(self.limits));
        Ok(())
    }

    async fn publish(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut streams = self.streams.write();
        if let Some(filled) = streams.filling.take() {
            streams.shown = Some(filled);
            streams.epoch += 1;
            // By time, so that the logs of two processes one after the other are not taken for one another.
            let next = streams.log.generation() + 1;
            let generation = u64::try_from(now.timestamp_micros()).unwrap_or(0).max(next);
            streams.log = Log::new(generation);
        }
        Ok(())
    }

    async fn tune(&self, user: UserId, from: Option<Place>) -> Result<Tuned, StoreError> {
        let streams = self.streams.read();
        Ok(match &streams.shown {
            Some(shown) => hearing::tune(shown, &streams.log, user, from),
            None => Tuned::Cold,
        })
    }

    async fn hear(&self, listener: &Listener, most: usize) -> Result<Heard, StoreError> {
        let streams = self.streams.read();
        Ok(match &streams.shown {
            Some(shown) => hearing::hear(shown, &streams.log, listener, most),
            None => Heard::Cold,
        })
    }

    async fn turn(
        &self,
        listener: &Listener,
        audiences: &[Audience],
    ) -> Result<Turned, StoreError> {
        let streams = self.streams.read();
        Ok(match &streams.shown {
            Some(shown) => hearing::turn(shown, &streams.log, listener, audiences),
            None => Turned::Reset,
        })
    }

    async fn version(&self, id: PostId) -> Result<Option<i64>, StoreError> {
        Ok(self
            .streams
            .read()
            .shown
            .as_ref()
            .and_then(|shown| shown.version(id)))
    }

    async fn name_version(&self, user: UserId) -> Result<Option<i64>, StoreError> {
        Ok(self
            .streams
            .read()
            .shown
            .as_ref()
            .and_then(|shown| shown.name_version(user)))
    }

    async fn names(&self, users: &[UserId]) -> Result<HashMap<UserId, String>, StoreError> {
        let streams = self.streams.read();
        let Some(known) = streams.shown.as_ref().or(streams.filling.as_ref()) else {
            return Ok(HashMap::new());
        };
        Ok(users
            .iter()
            .filter_map(|user| Some((*user, known.name_of(*user)?.to_owned())))
            .collect())
    }

    async fn figures(&self) -> Result<Figures, StoreError> {
        let streams = self.streams.read();
        let figures = streams
            .shown
            .as_ref()
            .map(Projection::figures)
            .unwrap_or_default();
        Ok(Figures {
            prefix: format!("memory:{}", streams.epoch),
            ..figures
        })
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn note(stream: &mut Projection, mark: Option<&(Mark, DateTime<Utc>)>) {
    if let Some((mark, at)) = mark {
        stream.mark(mark.clone(), *at);
    }
}
