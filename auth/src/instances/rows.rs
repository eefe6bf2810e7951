//! The rows by which instances know of one another, and the number of the last change.

use backends::db::{Db, Error, Tx};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The counter of changes.
const CHANGES: &str = "changes";

/// What an instance says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Which.
    pub id: Uuid,
    /// Until when it may believe its copy, unless it has seen a later change.
    pub held_until: DateTime<Utc>,
    /// Whether it may believe its copy at all.
    pub listening: bool,
    /// Its copy holds every change up to this one.
    pub seen: i64,
}

/// Takes the next number, as the last thing of a transaction: whoever comes next waits for its end.
pub async fn take_number(tx: &mut Tx) -> Result<i64, Error> {
    tx.query("UPDATE counters SET next = next + 1 WHERE name = $1 RETURNING next")
        .bind(CHANGES)
        .scalar()
        .await
}

/// The number of the last change that was committed.
pub async fn last_number(db: &Db) -> Result<i64, Error> {
    db.query("SELECT next FROM counters WHERE name = $1")
        .bind(CHANGES)
        .scalar()
        .await
}

/// Writes the row.
pub async fn renew(db: &Db, row: Row) -> Result<(), Error> {
    let mut tx = db.begin().await?;
    tx.query(
        "INSERT INTO instances (id, held_until, listening, seen) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (id) DO UPDATE SET held_until = $2, listening = $3, seen = $4",
    )
    .bind(row.id)
    .bind(row.held_until)
    .bind(row.listening)
    .bind(row.seen)
    .execute()
    .await?;
    // on disk as well: a server that forgets a renewal in a crash would have others not wait for us
    tx.commit().await
}

/// Who else had a lease until after this time, for a copy without this change.
pub async fn without(
    db: &Db,
    me: Option<Uuid>,
    number: i64,
    held_after: DateTime<Utc>,
) -> Result<Vec<Uuid>, Error> {
    let sql = "SELECT id FROM instances WHERE held_until > $1 AND listening AND seen < $2";
    let rows: Vec<(Uuid,)> = db.query(sql).bind(held_after).bind(number).all().await?;
    Ok(rows
        .into_iter()
        .map(|row| row.0)
        .filter(|id| Some(*id) != me)
        .collect())
}

/// Takes the row away, and those of instances that are long gone.
pub async fn leave(db: &Db, me: Uuid, long_ago: DateTime<Utc>) -> Result<(), Error> {
    let mut tx = db.begin().await?;
    tx.query("DELETE FROM instances WHERE id = $1 OR held_until < $2")
        .bind(me)
        .bind(long_ago)
        .execute()
        .await?;
    tx.commit_relaxed().await
}
