//! One creation per Idempotency-Key: the key is stored in the transaction of the creation itself.
//!
//! A repeat that arrives while the first is still running waits for it: for the writer on SQLite, for the row on
//! PostgreSQL. So there is no "in progress" answer; it is either fresh, replayed or a mismatch.

use chrono::{DateTime, Duration, Utc};
use kit::{clock::SharedClock, problem::Problem, service::Worker};
use sha2::{Digest, Sha256};

use crate::db::{Db, Error, Tx};

/// How long a key is remembered (24 hours).
pub const KEPT: Duration = Duration::hours(24);

/// What [`begin`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Never seen, or longer ago than [`KEPT`]: do the work, then [`finish`], in the same transaction.
    Fresh,
    /// Done before with the same request: answer this again, after [`Tx::commit`] or [`Db::synced`], because the first
    /// answer may still be on its way to the disk.
    Replay(String),
    /// The key was used for another request: [`mismatch`].
    Mismatch,
}

/// Claims `key` of `owner` for `request` (stored as a hash). Call it first in the transaction.
pub async fn begin(
    tx: &mut Tx,
    owner: &str,
    key: &str,
    request: &[u8],
    now: DateTime<Utc>,
) -> Result<Outcome, Error> {
    let hash = Sha256::digest(request).to_vec();
    tx.query("DELETE FROM idempotency WHERE owner = $1 AND key = $2 AND at <= $3")
        .bind(owner.to_owned())
        .bind(key.to_owned())
        .bind(now - KEPT)
        .execute()
        .await?;
    let claimed = tx
        .query("INSERT INTO idempotency (owner, key, request_hash, at) VALUES ($1, $2, $3, $4) ON CONFLICT (owner, key) DO NOTHING")
        .bind(owner.to_owned())
        .bind(key.to_owned())
        .bind(hash.clone())
        .bind(now)
        .execute()
        .await?;
    if claimed == 1 {
        return Ok(Outcome::Fresh);
    }
    let (stored, result): (Vec<u8>, Option<String>) = tx
        .query("SELECT request_hash, result FROM idempotency WHERE owner = $1 AND key = $2")
        .bind(owner.to_owned())
        .bind(key.to_owned())
        .one()
        .await?;
    if stored != hash {
        return Ok(Outcome::Mismatch);
    }
    result
        .map(Outcome::Replay)
        .ok_or_else(|| Error::other("an idempotency key was committed without a result"))
}

/// Stores what the request answered (an id, a small document), for replays.
pub async fn finish(tx: &mut Tx, owner: &str, key: &str, result: &str) -> Result<(), Error> {
    let stored = tx
        .query("UPDATE idempotency SET result = $3 WHERE owner = $1 AND key = $2")
        .bind(owner.to_owned())
        .bind(key.to_owned())
        .bind(result.to_owned())
        .execute()
        .await?;
    if stored == 1 {
        Ok(())
    } else {
        Err(Error::other("idempotency::finish without begin"))
    }
}

/// The problem of [`Outcome::Mismatch`]: 422 `idempotency_mismatch`.
pub fn mismatch() -> Problem {
    Problem::unprocessable(
        "idempotency_mismatch",
        "this Idempotency-Key was used for another request",
    )
}

/// Forgets keys older than [`KEPT`]; answers how many.
pub async fn sweep(db: &Db, now: DateTime<Utc>) -> Result<u64, Error> {
    let mut tx = db.begin().await?;
    let gone = tx
        .query("DELETE FROM idempotency WHERE at <= $1")
        .bind(now - KEPT)
        .execute()
        .await?;
    tx.commit_relaxed().await?;
    Ok(gone)
}

/// Sweeps at start and every hour.
pub fn sweeper(db: Db, clock: SharedClock) -> Worker {
    Worker::new("idempotency-sweeper", move |stop| async move {
        let mut hourly = tokio::time::interval(std::time::Duration::from_secs(3600));
        while stop.run_until_cancelled(hourly.tick()).await.is_some() {
            if let Err(error) = sweep(&db, clock.now()).await {
                tracing::warn!(%error, "old idempotency keys could not be swept");
            }
        }
        Ok(())
    })
}
