//! Waiting until every other instance knows of a change.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use backends::db::Db;
use chrono::TimeDelta;
use kit::SharedClock;
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};
use uuid::Uuid;

use super::{rows, trust::LEASE};

/// How often the rows are looked at, for instances that have gone or were told by the store.
const LOOK: Duration = Duration::from_millis(100);

/// An instance whose lease in the store ran out this long ago may still stand by without it; all access tokens from before that
/// have run out as well.
const STANDING_BY: TimeDelta = TimeDelta::hours(1);

/// Who confirmed what, as far as somebody waits for it.
#[derive(Debug)]
pub struct Confirms {
    expected: Mutex<HashMap<i64, HashSet<Uuid>>>,
    news: watch::Sender<()>,
}

/// A change that is waited for.
pub struct Expected<'c> {
    confirms: &'c Confirms,
    number: i64,
    since: Instant,
}

impl Confirms {
    /// Nobody waits yet.
    pub fn new() -> Self {
        Self {
            expected: Mutex::default(),
            news: watch::Sender::new(()),
        }
    }

    /// Begins to wait: after the commit, and before anybody is told.
    pub fn expect(&self, number: i64) -> Expected<'_> {
        self.expected.lock().insert(number, HashSet::new());
        Expected {
            confirms: self,
            number,
            since: Instant::now(),
        }
    }

    /// Somebody's copy holds a change.
    pub fn note(&self, number: i64, from: Uuid) {
        if let Some(confirmed) = self.expected.lock().get_mut(&number) {
            confirmed.insert(from);
        }
        self.news.send_replace(());
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.confirms.expected.lock().remove(&self.number);
    }
}

impl Expected<'_> {
    /// Returns when no other instance believes a copy without the change any more: each has confirmed it, by a notice or in its
    /// row, or does not believe its copy, or its lease has run out.
    ///
    /// A lease that was renewed after the commit is believed only by who has seen the change, so those of the rows as they
    /// are now count, with those of who is `standing_by`; and none of them is longer than [`LEASE`], which is waited where the
    /// rows cannot be read. Where it is not known who stands by, it is whoever might. Answers who kept it waiting for so long.
    pub async fn by_all(
        self,
        db: &Db,
        clock: &SharedClock,
        me: Option<Uuid>,
        standing_by: Option<HashSet<Uuid>>,
    ) -> HashSet<Uuid> {
        let end = self.since + LEASE;
        let mut news = self.confirms.news.subscribe();
        let mut left: Option<HashSet<Uuid>> = None;
        loop {
            news.borrow_and_update();
            let held_after = match standing_by {
                Some(_) => clock.now(),
                None => clock.now() - STANDING_BY,
            };
            let look = timeout(LOOK, rows::without(db, me, self.number, held_after));
            if let Ok(Ok(without)) = look.await {
                let mut without: HashSet<Uuid> = without.into_iter().collect();
                without.extend(standing_by.iter().flatten());
                // who is new here began after the commit
                left = Some(match left {
                    Some(left) => left.intersection(&without).copied().collect(),
                    None => without,
                });
            }
            let next_look = Instant::now() + LOOK;
            loop {
                if let Some(left) = &mut left {
                    if let Some(confirmed) = self.confirms.expected.lock().get(&self.number) {
                        left.retain(|id| !confirmed.contains(id));
                    }
                    if left.is_empty() {
                        return HashSet::new();
                    }
                }
                if Instant::now() >= end {
                    return left.unwrap_or_default();
                }
                // the sender lives as long as self
                if timeout_at(next_look.min(end), news.changed())
                    .await
                    .is_err()
                {
                    break;
                }
            }
        }
    }
}
