//! A transaction on either database.

use std::sync::atomic::Ordering;

use super::{
    Db, Error, Query, Sync,
    engine::{Engine, Woken},
    lite_tx::LiteTx,
    pg_tx::PgTx,
    query::{Later, On, Put},
};
use crate::bus::Record;

/// An open transaction. On SQLite it holds the one writer: begin late, commit soon, and never await a peer inside.
/// Dropped without commit it is rolled back before the next transaction begins.
#[derive(Debug)]
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Tx {
    on: TxOn,
    db: Db,
    woken: Woken,
    /// The events in it, as they are sent.
    events: Vec<Record>,
}

#[derive(Debug)]
pub(super) enum TxOn {
    Postgres(PgTx),
    Sqlite(LiteTx),
}

impl Tx {
    pub(super) fn new(on: TxOn, db: Db) -> Tx {
        Tx {
            on,
            db,
            woken: Woken::default(),
            events: Vec::new(),
        }
    }

    /// A statement inside the transaction.
    pub fn query(&mut self, sql: impl sqlx::SqlSafeStr) -> Query<'_> {
        match &mut self.on {
            TxOn::Postgres(tx) => Query::new(On::PgTx(tx), sql),
            TxOn::Sqlite(tx) => Query::new(On::SqliteTx(tx), sql),
        }
    }

    /// A statement whose outcome nobody waits for: it runs with others that were put off, at the latest before the next
    /// statement of the transaction or its commit, and what it fails with is what that answers.
    pub fn later(&mut self, sql: impl sqlx::SqlSafeStr) -> Later<'_> {
        self.put(sql, Put::Any)
    }

    /// An UPDATE without which nothing of the transaction happens: if it changes no row, the transaction cannot be committed,
    /// and [`Error::Unmet`] is what answers that, at the latest its commit. It is put off as [`Tx::later`] puts off; a transaction
    /// on PostgreSQL of nothing but that and plain statements about other tables takes one round trip.
    pub fn condition(&mut self, sql: impl sqlx::SqlSafeStr) -> Later<'_> {
        self.put(sql, Put::Condition)
    }

    /// An INSERT of the row of an event, which is numbered in this column.
    pub(crate) fn event(&mut self, sql: impl sqlx::SqlSafeStr, column: &'static str) -> Later<'_> {
        self.put(sql, Put::Numbered(column))
    }

    fn put(&mut self, sql: impl sqlx::SqlSafeStr, put: Put) -> Later<'_> {
        let on = match &mut self.on {
            TxOn::Postgres(tx) => On::PgLater(tx, put),
            TxOn::Sqlite(tx) => On::SqliteTx(tx),
        };
        Later::new(Query::new(on, sql), put)
    }

    /// Which database this is.
    pub fn kind(&self) -> super::Kind {
        self.db.kind()
    }

    /// Commits durably: when this answers Ok, the change is on disk. Wakes the outbox relay and the audit chainer if
    /// they have work in it.
    ///
    /// An error after COMMIT (a sync that failed) means that the change may or may not survive a power cut; the caller
    /// answers 503 and the client repeats, which is why creations take an Idempotency-Key.
    pub async fn commit(self) -> Result<(), Error> {
        let db = self.db.clone();
        self.hand_on(false).await?;
        match &db.inner.engine {
            Engine::Postgres(_) => Ok(()),
            Engine::Sqlite(lite) => match lite.mode {
                Sync::Full => Ok(()),
                Sync::Group => lite.sync.wait().await,
            },
        }
    }

    /// Commits without waiting for the disk; only for what may be repeated (outbox deletion, consumer offsets). Atomic
    /// all the same, and never lost while a later durable commit survives. A transaction with an outbox message or an
    /// audit entry in it is committed durably on PostgreSQL whatever is asked.
    pub async fn commit_relaxed(self) -> Result<(), Error> {
        let relaxed = !(self.woken.outbox || self.woken.audit);
        self.hand_on(relaxed).await
    }

    /// Undoes everything.
    pub async fn rollback(self) -> Result<(), Error> {
        match self.on {
            TxOn::Postgres(tx) => tx.rollback().await,
            TxOn::Sqlite(tx) => tx.rollback().await,
        }
    }

    /// COMMIT, then wake the workers before the sync: their own wait for the disk shares it.
    async fn hand_on(self, relaxed: bool) -> Result<(), Error> {
        let inner = &self.db.inner;
        let numbers = match self.on {
            TxOn::Postgres(tx) if relaxed => tx.commit_relaxed().await?,
            TxOn::Postgres(tx) => tx.commit().await?,
            TxOn::Sqlite(tx) => {
                if let Err(error) = tx.commit().await {
                    if let Engine::Sqlite(lite) = &inner.engine
                        && failed_sync(&error)
                    {
                        lite.sync.poison("a sync inside COMMIT failed");
                    }
                    return Err(error);
                }
                // the relay's own read is as cheap as the numbers would be
                Vec::new()
            }
        };
        inner.commits.fetch_add(1, Ordering::Relaxed);
        if numbers.len() == self.events.len() {
            inner.written.add(numbers.into_iter().zip(self.events));
        }
        inner.wake(self.woken);
        Ok(())
    }

    /// An event is in it, as [`event`](Self::event) wrote it; how it is sent is asked where its number will be known.
    pub(crate) fn carries_outbox(&mut self, event: impl FnOnce() -> Record) {
        self.woken.outbox = true;
        if let TxOn::Postgres(_) = self.on {
            self.events.push(event());
        }
    }

    pub(crate) fn carries_audit(&mut self) {
        self.woken.audit = true;
    }
}

/// SQLITE_IOERR_FSYNC and SQLITE_IOERR_DIR_FSYNC: as final as a failed sync of our own.
fn failed_sync(error: &Error) -> bool {
    let Error::Unavailable(cause) = error else {
        return false;
    };
    matches!(cause.downcast_ref::<sqlx::Error>(), Some(sqlx::Error::Database(refusal))
        if matches!(refusal.code().as_deref(), Some("1034" | "1290")))
}
