//! Reads the chain again from its beginning (rule 2).

use super::{
    canonical::{GENESIS, Record, chained_columns},
    commitment,
};
use crate::db::{Db, Error};

const PAGE: i64 = 2000;

/// What [`verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the chain holds.
    pub ok: bool,
    /// How many chained entries were read.
    pub checked: i64,
    /// The first number at which it does not hold: a changed, missing, inserted or swapped entry, or one whose clear
    /// value was changed. A tail that was cut off can be seen only against a checkpoint.
    pub first_bad: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    prev_hash: Option<Vec<u8>>,
    hash: Option<Vec<u8>>,
    #[sqlx(flatten)]
    record: Record,
}

/// Verifies the whole chain and the clear values that were not erased. Entries that wait for the chainer are not part of it.
pub async fn verify(db: &Db) -> Result<Verdict, Error> {
    let (checked, broken) = chain(db).await?;
    let altered = secrets(db).await?;
    let first_bad = match (broken, altered) {
        (Some(broken), Some(altered)) => Some(broken.min(altered)),
        (broken, altered) => broken.or(altered),
    };
    Ok(Verdict {
        ok: first_bad.is_none(),
        checked,
        first_bad,
    })
}

async fn chain(db: &Db) -> Result<(i64, Option<i64>), Error> {
    let (mut seq, mut checked, mut prev) = (0, 0, GENESIS.to_vec());
    let mut after = i64::MIN;
    loop {
        let rows: Vec<Row> = db
            .query(concat!(
                "SELECT seq, prev_hash, hash, ",
                chained_columns!(),
                " FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2"
            ))
            .bind(after)
            .bind(PAGE)
            .all()
            .await?;
        for row in &rows {
            seq += 1;
            checked += 1;
            let hash = row.record.hash(seq, &prev);
            let holds = row.seq == seq
                && row.prev_hash.as_ref() == Some(&prev)
                && row.hash.as_deref() == Some(hash.as_slice());
            if !holds {
                return Ok((checked, Some(seq.min(row.seq))));
            }
            prev = hash.to_vec();
        }
        match rows.last() {
            Some(last) => after = last.seq,
            None => return Ok((checked, None)),
        }
    }
}

/// The first entry whose clear value no longer fits its commitment.
async fn secrets(db: &Db) -> Result<Option<i64>, Error> {
    let mut after = Vec::new();
    let mut first: Option<i64> = None;
    loop {
        let rows: Vec<(Vec<u8>, Vec<u8>, String)> = db
            .query("SELECT commitment, salt, value FROM audit_secret WHERE commitment > $1 ORDER BY commitment LIMIT $2")
            .bind(after.clone())
            .bind(PAGE)
            .all()
            .await?;
        for (committed, salt, value) in &rows {
            if commitment(salt, value) != *committed {
                let seq: Option<i64> = db
                    .query("SELECT MIN(seq) FROM audit WHERE before_c = $1 OR after_c = $1 OR from_c = $1")
                    .bind(committed.clone())
                    .scalar()
                    .await?;
                // a value whose entry is not chained yet, or that belongs to none, is bad before everything
                let seq = seq.unwrap_or(0);
                first = Some(first.map_or(seq, |first| first.min(seq)));
            }
        }
        match rows.into_iter().next_back() {
            Some((last, _, _)) => after = last,
            None => return Ok(first),
        }
    }
}
