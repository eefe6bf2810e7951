//! Numbers and chains the entries, in order of arrival, one chainer per database at a time.

use std::time::Duration;

use kit::{clock::SharedClock, ids::SharedIds, service::Worker};
use tokio::time::{sleep, timeout};

use super::canonical::{Chained, GENESIS, chained_columns};
use crate::{
    backoff::Backoff,
    db::{Db, Error},
    lease,
};

const LEASE_NAME: &str = "audit";
const LEASE: Duration = Duration::from_secs(3);
/// The net under the wake-up by commits.
const POLL: Duration = Duration::from_secs(1);
/// Entries per transaction: on SQLite they hold the writer for some milliseconds.
const BATCH: i64 = 200;

/// The worker that chains the audit entries of `db` within a second of their commit.
pub fn chainer(db: Db, clock: SharedClock, ids: SharedIds) -> Worker {
    Worker::new("audit-chainer", move |stop| async move {
        let holder = ids.uuid().to_string();
        stop.run_until_cancelled(serve(&db, &clock, &holder)).await;
        // one last time, for what the last requests wrote
        while let Ok(Ok(Step::Chained)) = timeout(POLL, chain(&db, &clock, &holder)).await {}
        if let Err(error) = lease::release(&db, LEASE_NAME, &holder).await {
            tracing::debug!(%error, "the lease of the audit chain runs out by itself");
        }
        Ok(())
    })
}

enum Step {
    Idle,
    Chained,
    /// Another chainer holds the lease.
    Elsewhere,
}

async fn serve(db: &Db, clock: &SharedClock, holder: &str) {
    let mut commits = db.audit_commits();
    let mut backoff = Backoff::new();
    loop {
        commits.borrow_and_update();
        match chain(db, clock, holder).await {
            Ok(Step::Chained) => backoff.reset(),
            Ok(Step::Idle) => {
                backoff.reset();
                // the sender lives in the database handle held here: changed() cannot fail
                let _ = timeout(POLL, commits.changed()).await;
            }
            Ok(Step::Elsewhere) => sleep(POLL).await,
            Err(error) => {
                let wait = backoff.next();
                tracing::warn!(%error, retry_in_ms = wait.as_millis() as u64, "audit entries could not be chained");
                sleep(wait).await;
            }
        }
    }
}

#[derive(sqlx::FromRow)]
struct Unchained {
    entry: i64,
    #[sqlx(flatten)]
    chained: Chained,
}

/// Chains one batch. The lease is taken in the same transaction, so that its row's lock keeps two chainers apart even if
/// their clocks differ; should all that fail, `seq` is UNIQUE.
async fn chain(db: &Db, clock: &SharedClock, holder: &str) -> Result<Step, Error> {
    // read first: without work nothing is written
    if db
        .query("SELECT NOT EXISTS (SELECT 1 FROM audit WHERE seq IS NULL)")
        .scalar::<bool>()
        .await?
    {
        return Ok(Step::Idle);
    }
    let mut tx = db.begin().await?;
    if !lease::take_in(&mut tx, LEASE_NAME, holder, LEASE, clock.now()).await? {
        tx.rollback().await?;
        return Ok(Step::Elsewhere);
    }
    let last: Option<(i64, Vec<u8>)> = tx
        .query("SELECT seq, hash FROM audit WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1")
        .optional()
        .await?;
    let (mut seq, mut prev) = last.unwrap_or_else(|| (0, GENESIS.to_vec()));
    let rows: Vec<Unchained> = tx
        .query(concat!(
            "SELECT entry, ",
            chained_columns!(),
            " FROM audit WHERE seq IS NULL ORDER BY entry LIMIT $1"
        ))
        .bind(BATCH)
        .all()
        .await?;
    for row in rows {
        seq += 1;
        let hash = row.chained.hash(seq, &prev).to_vec();
        tx.query("UPDATE audit SET seq = $2, prev_hash = $3, hash = $4 WHERE entry = $1")
            .bind(row.entry)
            .bind(seq)
            .bind(prev)
            .bind(hash.clone())
            .execute()
            .await?;
        prev = hash;
    }
    tx.commit().await?;
    Ok(Step::Chained)
}
