//! Rendered first pages, by the set of audiences they are made of. Nothing here is ever wrong: a page is given out only under
//! the stamp it was made at, and every change that a reader could see gives a new stamp.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use contracts::Audience;
use parking_lot::RwLock;

/// The state a page was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Of which generation.
    pub(super) generation: u64,
    /// The newest change among the timelines.
    pub(super) newest: u64,
}

/// What a page is found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) audiences: Vec<Audience>,
    pub(super) limit: usize,
}

#[derive(Debug)]
struct Cached {
    stamp: Stamp,
    until: Option<DateTime<Utc>>,
    page: Bytes,
    used: AtomicU64,
}

#[derive(Debug, Default)]
struct Pages {
    by_key: HashMap<Key, Cached>,
    bytes: usize,
}

/// A bounded table of pages.
#[derive(Debug)]
pub(super) struct PageCache {
    /// Bytes of pages at most.
    most: usize,
    pages: RwLock<Pages>,
    ticks: AtomicU64,
}

impl PageCache {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            pages: RwLock::default(),
            ticks: AtomicU64::new(0),
        }
    }

    pub(super) fn get(&self, key: &Key, stamp: Stamp, now: DateTime<Utc>) -> Option<Bytes> {
        let pages = self.pages.read();
        let cached = pages.by_key.get(key)?;
        if cached.stamp != stamp || cached.until.is_some_and(|until| until <= now) {
            return None;
        }
        cached.used.store(self.tick(), Ordering::Relaxed);
        Some(cached.page.clone())
    }

    pub(super) fn put(&self, key: Key, stamp: Stamp, until: Option<DateTime<Utc>>, page: Bytes) {
        // One reader's huge page must not push out everybody's.
        if page.len() > self.most / 8 {
            return;
        }
        let used = AtomicU64::new(self.tick());
        let mut pages = self.pages.write();
        pages.bytes += page.len();
        if let Some(old) = pages.by_key.insert(
            key,
            Cached {
                stamp,
                until,
                page,
                used,
            },
        ) {
            pages.bytes -= old.page.len();
        }
        while pages.bytes > self.most {
            let oldest = pages
                .by_key
                .iter()
                .min_by_key(|(_, cached)| cached.used.load(Ordering::Relaxed));
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            if let Some(old) = pages.by_key.remove(&key) {
                pages.bytes -= old.page.len();
            }
        }
    }

    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::Relaxed)
    }
}

/// Totals by set of audiences and filter, under the same rule.
#[derive(Debug, Default)]
pub(super) struct TotalCache<K> {
    by_key: RwLock<HashMap<K, (Stamp, usize)>>,
}

/// How many totals are kept; beyond it all are dropped, since counting again costs far below a millisecond.
const TOTALS: usize = 4096;

impl<K: std::hash::Hash + Eq> TotalCache<K> {
    pub(super) fn get(&self, key: &K, stamp: Stamp) -> Option<usize> {
        let by_key = self.by_key.read();
        by_key
            .get(key)
            .filter(|(known, _)| *known == stamp)
            .map(|(_, total)| *total)
    }

    pub(super) fn put(&self, key: K, stamp: Stamp, total: usize) {
        let mut by_key = self.by_key.write();
        if by_key.len() >= TOTALS {
            by_key.clear();
        }
        by_key.insert(key, (stamp, total));
    }
}
