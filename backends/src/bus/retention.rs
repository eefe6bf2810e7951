//! Removes what is older than its topic keeps. Compaction by key does not exist here.

use chrono::{DateTime, Duration, Utc};
use kit::{clock::SharedClock, service::Worker};

use crate::db::{Db, Error};

/// Rows removed in one transaction: the writer is free for publishers in between.
const BATCH: i64 = 1000;

/// Sweeps at start and every hour.
pub(super) fn sweeper(db: Db, clock: SharedClock) -> Worker {
    Worker::new("bus-retention", move |stop| async move {
        let mut hourly = tokio::time::interval(std::time::Duration::from_secs(3600));
        while stop.run_until_cancelled(hourly.tick()).await.is_some() {
            match stop.run_until_cancelled(sweep(&db, clock.now())).await {
                Some(Ok(0)) => {}
                Some(Ok(gone)) => tracing::info!(gone, "old events were removed from the log"),
                Some(Err(error)) => {
                    tracing::warn!(%error, "old events could not be removed from the log");
                }
                None => break,
            }
        }
        Ok(())
    })
}

/// Removes what is too old at `now`; answers how many records.
pub(super) async fn sweep(db: &Db, now: DateTime<Utc>) -> Result<u64, Error> {
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
                .bind(BATCH)
                .execute()
                .await?;
            tx.commit_relaxed().await?;
            gone += removed;
            if removed < BATCH.unsigned_abs() {
                break;
            }
        }
    }
    Ok(gone)
}
