//! The chain of a relational store: the table the entries were written to, filled in.

use async_trait::async_trait;
use tokio::sync::watch;

use super::{
    canonical::{GENESIS, Record, chained_columns},
    chainer::{Chain, Step},
};
use crate::{
    db::{Db, Error},
    lease::{self, Claim},
};

const LEASE_NAME: &str = "audit";
/// Entries per transaction: on SQLite they hold the writer for some milliseconds.
const BATCH: i64 = 200;

#[derive(sqlx::FromRow)]
struct Unchained {
    entry: i64,
    #[sqlx(flatten)]
    record: Record,
}

#[async_trait]
impl Chain for Db {
    fn news(&self) -> watch::Receiver<u64> {
        self.audit_commits()
    }

    /// The lease is taken in the same transaction, so that its row's lock keeps two chainers apart even if their clocks
    /// differ; should all that fail, `seq` is UNIQUE.
    async fn chain(&self, claim: Claim<'_>) -> Result<Step, Error> {
        // read first: without work nothing is written
        if self
            .query("SELECT NOT EXISTS (SELECT 1 FROM audit WHERE seq IS NULL)")
            .scalar::<bool>()
            .await?
        {
            return Ok(Step::Idle);
        }
        let mut tx = self.begin().await?;
        if !lease::take_in(&mut tx, LEASE_NAME, claim.holder, claim.duration, claim.now).await? {
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
            let hash = row.record.hash(seq, &prev).to_vec();
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

    async fn release(&self, holder: &str) -> Result<(), Error> {
        lease::release(self, LEASE_NAME, holder).await
    }
}
