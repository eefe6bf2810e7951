//! Keeps the log small: records that are too old, older states of a key, ids remembered for too long, free pages. Every
//! step is a short transaction, so that publishers get their turn at the writer in between.

use std::time::Duration as StdDuration;

use chrono::{DateTime, Duration, Utc};
use kit::{clock::SharedClock, service::Worker};

use super::compaction;
use crate::db::{Db, Error};

/// Between two rounds.
const EVERY: StdDuration = StdDuration::from_secs(600);
/// Free pages (of 4 KiB) that the file keeps for what is published next.
const SLACK: i64 = 1024;
/// Free pages given back in one transaction.
const PAGES: i64 = 128;

/// How much is kept, and how much is done at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeping {
    /// Rows looked at or removed in one transaction.
    pub(super) batch: i64,
    /// Records younger than this are never compacted, so that a reader that follows sees every change.
    pub(super) tail: Duration,
    /// The id of a removed record is remembered for this long after the log took it ..
    pub(super) memory: Duration,
    /// .. and longer while it is among so many of the newest of its topic: during an outage time passes, but what a relay
    /// sends again afterwards is still its last batch.
    pub(super) memory_records: i64,
}

impl Default for Keeping {
    fn default() -> Keeping {
        Keeping {
            batch: 256,
            tail: Duration::hours(1),
            memory: Duration::days(7),
            memory_records: 10_000,
        }
    }
}

/// What a round removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Removed {
    /// Records too old for their topic.
    pub(super) old: u64,
    /// Records with a newer one of the same key.
    pub(super) superseded: u64,
    /// Ids no longer remembered.
    pub(super) ids: u64,
    /// Pages given back to the file system.
    pub(super) pages: u64,
}

/// Works at start and every 10 minutes.
pub(super) fn worker(db: Db, clock: SharedClock) -> Worker {
    Worker::new("bus-retention", move |stop| async move {
        let mut tick = tokio::time::interval(EVERY);
        let keeping = Keeping::default();
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            // dropping a round half-way is harmless: the next one goes on where the last transaction ended
            match stop
                .run_until_cancelled(round(&db, clock.now(), &keeping))
                .await
            {
                Some(Ok(removed)) if removed == Removed::default() => {}
                Some(Ok(Removed {
                    old,
                    superseded,
                    ids,
                    pages,
                })) => {
                    tracing::info!(old, superseded, ids, pages, "the event log was tidied");
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "the event log could not be tidied");
                }
                None => break,
            }
        }
        Ok(())
    })
}

/// Everything there is to do at `now`.
pub(super) async fn round(
    db: &Db,
    now: DateTime<Utc>,
    keeping: &Keeping,
) -> Result<Removed, Error> {
    Ok(Removed {
        old: sweep(db, now, keeping).await?,
        superseded: compaction::compact(db, now, keeping).await?,
        ids: forget(db, now, keeping).await?,
        pages: shrink(db).await?,
    })
}

/// Removes what is too old at `now`; answers how many records.
async fn sweep(db: &Db, now: DateTime<Utc>, keeping: &Keeping) -> Result<u64, Error> {
    let topics: Vec<(String, i64)> = db
        .query("SELECT name, keep_days FROM topics WHERE keep_days IS NOT NULL ORDER BY name")
        .all()
        .await?;
    let mut gone = 0;
    for (topic, days) in topics {
        let Some(before) = Duration::try_days(days).and_then(|days| now.checked_sub_signed(days))
        else {
            continue;
        };
        loop {
            let mut tx = db.begin().await?;
            let removed = tx
                .query(
                    "DELETE FROM log WHERE topic = $1 AND \"offset\" IN \
                     (SELECT \"offset\" FROM log WHERE topic = $1 AND at < $2 ORDER BY at LIMIT $3)",
                )
                .bind(topic.clone())
                .bind(before)
                .bind(keeping.batch)
                .execute()
                .await?;
            tx.commit_relaxed().await?;
            gone += removed;
            if removed < keeping.batch.unsigned_abs() {
                break;
            }
        }
    }
    Ok(gone)
}

/// Forgets ids of removed records that are both old and far back.
async fn forget(db: &Db, now: DateTime<Utc>, keeping: &Keeping) -> Result<u64, Error> {
    let topics: Vec<(String, i64)> = db
        .query("SELECT name, next FROM topics ORDER BY name")
        .all()
        .await?;
    let mut forgotten = 0;
    for (topic, next) in topics {
        loop {
            let oldest: Vec<(i64, DateTime<Utc>)> = db
                .query(
                    "SELECT \"offset\", at FROM taken WHERE topic = $1 AND \"offset\" < $2 ORDER BY \"offset\" LIMIT $3",
                )
                .bind(topic.clone())
                .bind(next - keeping.memory_records)
                .bind(keeping.batch)
                .all()
                .await?;
            let Some(last) = last_before(&oldest, now - keeping.memory) else {
                break;
            };
            let mut tx = db.begin().await?;
            forgotten += tx
                .query("DELETE FROM taken WHERE topic = $1 AND \"offset\" <= $2")
                .bind(topic.clone())
                .bind(last)
                .execute()
                .await?;
            tx.commit_relaxed().await?;
        }
    }
    Ok(forgotten)
}

/// The last of the leading rows that are older than `cutoff`.
pub(super) fn last_before(rows: &[(i64, DateTime<Utc>)], cutoff: DateTime<Utc>) -> Option<i64> {
    rows.iter()
        .take_while(|(_, at)| *at < cutoff)
        .last()
        .map(|(offset, _)| *offset)
}

/// Gives free pages back, as far as the file was made for it; else they stay in it and are used again.
async fn shrink(db: &Db) -> Result<u64, Error> {
    let free = || async { db.query("PRAGMA freelist_count").scalar::<i64>().await };
    let (mut before, mut given) = (free().await?, 0);
    while before > SLACK {
        let mut tx = db.begin().await?;
        tx.query(sqlx::AssertSqlSafe(format!(
            "PRAGMA incremental_vacuum({})",
            PAGES.min(before - SLACK)
        )))
        .execute()
        .await?;
        tx.commit_relaxed().await?;
        let after = free().await?;
        if after >= before {
            break;
        }
        given += (before - after).unsigned_abs();
        before = after;
    }
    Ok(given)
}
