//! The stream in this process.
//!
//! Two locks, so that building a second stream keeps no reader waiting: what is built has one of its own, which is always
//! taken first. Whoever holds it decides what happens to both.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use contracts::events::PostState;
use contracts::{Audience, PostId, UserId};
use parking_lot::{Mutex, RwLock};

use super::cache::{Key, PageCache, Stamp, TotalCache};
use super::{Batch, Store, StoreError, hearing};
use crate::change::{Change, Effect, Mark};
use crate::live::{Heard, Listener, Log, Place, Tuned, Turned};
use crate::page;
use crate::position::Position;
use crate::projection::{Gap, Limits, Projection, Window};
use crate::query::{Answer, Figures, Filter, Part, Query, Scope, Start};

/// Everything in memory; empty after every start.
#[derive(Debug)]
pub struct MemoryStore {
    limits: Limits,
    building: Mutex<Building>,
    streams: RwLock<Streams>,
    pages: PageCache,
    totals: TotalCache<(Vec<Audience>, Filter)>,
}

/// What is being built, by its number.
#[derive(Debug, Default)]
struct Building {
    stream: Option<(u64, Projection)>,
    /// The last number that was given.
    last: u64,
}

#[derive(Debug)]
struct Streams {
    shown: Option<Projection>,
    /// Of the one that is shown; 0: none. It is in the stamp of every page, so that no page of an earlier stream passes for
    /// one of this.
    generation: u64,
    /// Of the one that is shown.
    log: Log,
}

impl MemoryStore {
    /// An empty store. `page_cache` is the bytes of rendered first pages that are kept.
    #[must_use]
    pub fn new(limits: Limits, page_cache: usize) -> Self {
        Self {
            limits,
            building: Mutex::default(),
            streams: RwLock::new(Streams {
                shown: None,
                generation: 0,
                log: Log::new(0),
            }),
            pages: PageCache::new(page_cache),
            totals: TotalCache::default(),
        }
    }

    /// The stream that is being built, if it is this one.
    fn built<T>(
        &self,
        generation: u64,
        work: impl FnOnce(&mut Projection) -> T,
    ) -> Result<T, StoreError> {
        match &mut self.building.lock().stream {
            Some((number, stream)) if *number == generation => Ok(work(stream)),
            _ => Err(StoreError::Superseded),
        }
    }

    fn first_page(
        &self,
        shown: &Projection,
        generation: u64,
        audiences: &[Audience],
        query: &Query,
        now: DateTime<Utc>,
    ) -> Answer {
        let selection = shown.select(audiences);
        let stamp = Stamp {
            generation,
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

    fn part(&self, shown: &Projection, generation: u64, query: &Query, now: DateTime<Utc>) -> Part {
        let mut part = shown.page(query, now);
        if let Start::Skip(_) = query.start {
            part.total = Some(match &query.scope {
                Scope::Audiences(audiences) => {
                    let selection = shown.select(audiences);
                    let stamp = Stamp {
                        generation,
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
                self.first_page(shown, streams.generation, audiences, query, now)
            }
            _ => Answer::Part(self.part(shown, streams.generation, query, now)),
        })
    }

    async fn apply(
        &self,
        change: Change,
        mark: Option<(Mark, DateTime<Utc>)>,
        now: DateTime<Utc>,
    ) -> Result<Effect, StoreError> {
        let mut building = self.building.lock();
        let mut effect = None;
        if let Some((_, stream)) = &mut building.stream {
            effect = Some(stream.apply(change.clone(), now));
            note(stream, mark.as_ref());
        }
        let mut streams = self.streams.write();
        let Streams { shown, log, .. } = &mut *streams;
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

    async fn begin(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut building = self.building.lock();
        // By time, so that the logs of two processes one after the other are not taken for one another.
        let time = u64::try_from(now.timestamp_micros()).unwrap_or(0);
        building.last = time.max(building.last + 1);
        let number = building.last;
        let unfinished = building
            .stream
            .replace((number, Projection::new(self.limits)));
        drop(building);
        drop(unfinished);
        Ok(number)
    }

    async fn add(
        &self,
        generation: u64,
        batch: Batch,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.built(generation, |stream| {
            for change in batch.changes {
                stream.apply(change, now);
            }
            for (mark, at) in batch.read {
                stream.mark(mark, at);
            }
        })
    }

    async fn publish(&self, generation: u64) -> Result<(), StoreError> {
        let mut building = self.building.lock();
        let built = building
            .stream
            .take_if(|(number, _)| *number == generation)
            .ok_or(StoreError::Superseded)?;
        let (generation, stream) = built;
        let mut streams = self.streams.write();
        let old = streams.shown.replace(stream);
        streams.generation = generation;
        let old_log = std::mem::replace(&mut streams.log, Log::new(generation));
        drop(streams);
        drop(building);
        // Taking it apart takes a while, which nobody waits for.
        drop((old, old_log));
        Ok(())
    }

    async fn abandon(&self, generation: u64) -> Result<(), StoreError> {
        let unfinished = self
            .building
            .lock()
            .stream
            .take_if(|(number, _)| *number == generation);
        drop(unfinished);
        Ok(())
    }

    async fn gaps(&self, building: Option<u64>) -> Result<Vec<Gap>, StoreError> {
        if let Some(generation) = building {
            return self.built(generation, |stream| stream.gaps(generation));
        }
        let streams = self.streams.read();
        let gaps = streams
            .shown
            .as_ref()
            .map(|shown| shown.gaps(streams.generation));
        Ok(gaps.unwrap_or_default())
    }

    async fn refill(
        &self,
        gap: &Gap,
        found: &[PostState],
        end: bool,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        // Built when it was asked about, it may be the one that is shown by now.
        if let Ok(filled) = self.built(gap.generation, |stream| stream.refill(gap, found, end, now))
        {
            return Ok(filled);
        }
        let mut streams = self.streams.write();
        let asked = streams.generation == gap.generation;
        let shown = streams.shown.as_mut().filter(|_| asked);
        Ok(shown.is_some_and(|shown| shown.refill(gap, found, end, now)))
    }

    async fn foreign(
        &self,
        query: &Query,
        below: Position,
        limit: usize,
    ) -> Result<Vec<PostState>, StoreError> {
        let streams = self.streams.read();
        let shown = streams.shown.as_ref();
        Ok(shown.map_or_else(Vec::new, |shown| shown.foreign(query, below, limit)))
    }

    async fn windows(&self) -> Result<Option<Vec<Window>>, StoreError> {
        Ok(self.streams.read().shown.as_ref().map(Projection::windows))
    }

    async fn tune(&self, user: UserId, from: Option<Place>) -> Result<Tuned, StoreError> {
        let streams = self.streams.read();
        Ok(match &streams.shown {
            Some(shown) => {
                let log = &streams.log;
                hearing::tune(log, log.end(), shown.rights_of(user), user, from)
            }
            None => Tuned::Cold,
        })
    }

    async fn hear(&self, listener: &Listener, most: usize) -> Result<Heard, StoreError> {
        let streams = self.streams.read();
        Ok(match &streams.shown {
            Some(shown) => hearing::hear(&streams.log, |user| shown.name_of(user), listener, most),
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
            Some(shown) => {
                let lines = hearing::differing(&listener.audiences, audiences);
                hearing::turn(shown.shown_in(lines), &streams.log, listener, audiences)
            }
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
        let named = |stream: &Projection| {
            let name = |user: &UserId| Some((*user, stream.name_of(*user)?.to_owned()));
            users.iter().filter_map(name).collect()
        };
        if let Some(shown) = &self.streams.read().shown {
            return Ok(named(shown));
        }
        let building = self.building.lock();
        let known = building.stream.as_ref().map(|(_, stream)| named(stream));
        Ok(known.unwrap_or_default())
    }

    async fn figures(&self) -> Result<Figures, StoreError> {
        let streams = self.streams.read();
        let figures = streams
            .shown
            .as_ref()
            .map(Projection::figures)
            .unwrap_or_default();
        Ok(Figures {
            prefix: format!("memory:{}", streams.generation),
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
