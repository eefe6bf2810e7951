//! Compaction by key: of each key the newest record stays.
//!
//! A pointer per topic parts the log: below it there is one record of each key, above it everything. It moves up in windows;
//! a record it passes removes the one before it of the same key. Offsets stay as they are, so that every position of every
//! reader stays valid; a reader passes over the holes. What is younger than the tail is not touched, neither as the one that
//! is removed nor as the one that removes. Records without a key stay for ever.

use chrono::{DateTime, Utc};

use super::retention::{Keeping, last_before};
use crate::db::{Db, Error};

/// Compacts what is due at `now`; answers how many records went.
pub(super) async fn compact(db: &Db, now: DateTime<Utc>, keeping: &Keeping) -> Result<u64, Error> {
    let topics: Vec<(String,)> = db
        .query("SELECT name FROM topics WHERE keep_days IS NULL ORDER BY name")
        .all()
        .await?;
    let mut gone = 0;
    for (topic,) in topics {
        while let Some(removed) = window(db, &topic, now, keeping).await? {
            gone += removed;
        }
    }
    Ok(gone)
}

/// Moves the pointer over the next records; None at the end, or when somebody else is at it.
async fn window(
    db: &Db,
    topic: &str,
    now: DateTime<Utc>,
    keeping: &Keeping,
) -> Result<Option<u64>, Error> {
    let from: i64 = db
        .query("SELECT compacted FROM topics WHERE name = $1")
        .bind(topic.to_owned())
        .scalar()
        .await?;
    let ahead: Vec<(i64, DateTime<Utc>)> = db
        .query("SELECT \"offset\", at FROM log WHERE topic = $1 AND \"offset\" >= $2 ORDER BY \"offset\" LIMIT $3")
        .bind(topic.to_owned())
        .bind(from)
        .bind(keeping.batch)
        .all()
        .await?;
    let Some(last) = last_before(&ahead, now - keeping.tail) else {
        return Ok(None);
    };
    let to = last + 1;

    let mut tx = db.begin().await?;
    let moved = tx
        .query("UPDATE topics SET compacted = $3 WHERE name = $1 AND compacted = $2 AND keep_days IS NULL")
        .bind(topic.to_owned())
        .bind(from)
        .bind(to)
        .execute()
        .await?;
    if moved == 0 {
        tx.rollback().await?;
        return Ok(None);
    }
    let mut gone = 0;
    for statement in [
        // inside the window: all but the newest of each key
        "DELETE FROM log WHERE topic = $1 AND \"offset\" >= $2 AND \"offset\" < $3 AND key IS NOT NULL AND \"offset\" NOT IN \
         (SELECT MAX(\"offset\") FROM log WHERE topic = $1 AND \"offset\" >= $2 AND \"offset\" < $3 AND key IS NOT NULL GROUP BY key)",
        // below it: the one of each key that the window has. No further condition: SQLite would then read all that lies below
        // instead of looking these up.
        "DELETE FROM log WHERE topic = $1 AND \"offset\" IN \
         (SELECT old.\"offset\" FROM log young JOIN newest old ON old.topic = young.topic AND old.key = young.key \
          WHERE young.topic = $1 AND young.\"offset\" >= $2 AND young.\"offset\" < $3)",
    ] {
        gone += tx
            .query(statement)
            .bind(topic.to_owned())
            .bind(from)
            .bind(to)
            .execute()
            .await?;
    }
    tx.query(
        "INSERT INTO newest (topic, key, \"offset\") SELECT topic, key, \"offset\" FROM log \
         WHERE topic = $1 AND \"offset\" >= $2 AND \"offset\" < $3 AND key IS NOT NULL \
         ON CONFLICT (topic, key) DO UPDATE SET \"offset\" = excluded.\"offset\"",
    )
    .bind(topic.to_owned())
    .bind(from)
    .bind(to)
    .execute()
    .await?;
    // Lost in a power cut, it is done again.
    tx.commit_relaxed().await?;
    Ok(Some(gone))
}
