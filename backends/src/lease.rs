//! A lease row: of several instances that could do a job, one does it. The holder renews; when it dies the lease runs
//! out and another takes over.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::db::{Db, Error, Tx};

/// Who asks for a lease, when, and for how long: for stores that keep their leases themselves.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Who asks; each worker of each process has a name of its own.
    pub holder: &'a str,
    /// How long it is asked for.
    pub duration: Duration,
    /// The time.
    pub now: DateTime<Utc>,
}

/// Takes or renews the lease `name` for `holder` until `now + duration`; false if another holds it. Uses the clock
/// given, so instances on several machines need clocks that agree within a fraction of the duration.
pub async fn take(
    db: &Db,
    name: &str,
    holder: &str,
    duration: Duration,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let mut tx = db.begin().await?;
    let taken = take_in(&mut tx, name, holder, duration, now).await?;
    // A lease that a power cut forgets is merely taken again.
    tx.commit_relaxed().await?;
    Ok(taken)
}

/// [`take`] inside a transaction of the caller: its writes then happen only if the lease was still held.
pub async fn take_in(
    tx: &mut Tx,
    name: &str,
    holder: &str,
    duration: Duration,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let until = chrono::Duration::from_std(duration)
        .ok()
        .and_then(|duration| now.checked_add_signed(duration))
        .ok_or_else(|| Error::other("the duration of the lease is out of range"))?;
    let row: Option<(String,)> = tx
        .query(
            "INSERT INTO leases (name, holder, held_until) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until \
             WHERE leases.holder = excluded.holder OR leases.held_until <= $4 RETURNING holder",
        )
        .bind(name.to_owned())
        .bind(holder.to_owned())
        .bind(until)
        .bind(now)
        .optional()
        .await?;
    Ok(row.is_some())
}

/// Gives the lease up, so that the next holder need not wait for its end. No effect if another holds it.
pub async fn release(db: &Db, name: &str, holder: &str) -> Result<(), Error> {
    let mut tx = db.begin().await?;
    tx.later("DELETE FROM leases WHERE name = $1 AND holder = $2")
        .bind(name.to_owned())
        .bind(holder.to_owned())
        .put_off()
        .await?;
    tx.commit_relaxed().await
}

/// Ends every lease of the database, whoever holds it: for a process that knows, from a lock of its own, that whoever held
/// them is gone. Without it the work of a killed process waits until its leases have run out.
pub async fn forget(db: &Db) -> Result<(), Error> {
    let mut tx = db.begin().await?;
    tx.later("DELETE FROM leases").put_off().await?;
    tx.commit_relaxed().await
}
