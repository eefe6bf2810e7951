//! SQLite: one writer connection with a queue before it, a pool of read-only readers, a thread that syncs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, SqlSafeStr, Sqlite,
    sqlite::{
        SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
        SqlitePoolOptions, SqliteSynchronous,
    },
};
use sqlx_core::transaction::TransactionManager;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    DbOptions, Error, Sync,
    sync::{GroupSync, SyncFn, of_wal},
};

// Not `sqlx::Transaction`: it borrows its connection, which here is owned together with the lock on it.
type Manager = <Sqlite as sqlx::Database>::TransactionManager;
/// The writer; `None` once the database is closed.
type Slot = Option<SqliteConnection>;

/// An open SQLite database.
#[derive(Debug)]
pub(super) struct Lite {
    pub(super) readers: SqlitePool,
    /// tokio's mutex hands itself on in the order of arrival: that is the queue.
    writer: Arc<Mutex<Slot>>,
    options: SqliteConnectOptions,
    patience: Duration,
    /// Exists for [`Sync::Full`] too: the relay's [`crate::Db::synced`] then finds nothing left to write.
    pub(super) sync: GroupSync,
    pub(super) mode: Sync,
}

/// An open transaction: the writer, held until this is dropped.
#[derive(Debug)]
pub(super) struct LiteTx {
    guard: OwnedMutexGuard<Slot>,
    open: bool,
}

impl Lite {
    pub(super) async fn open(
        path: &Path,
        options: &DbOptions,
        inject: Option<SyncFn>,
    ) -> Result<Lite, Error> {
        check_path(path)?;
        let base = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true)
            // without it the DELETE half of INSERT OR REPLACE would pass by the triggers of append-only tables
            .pragma("recursive_triggers", "ON")
            .synchronous(match options.sync {
                Sync::Group => SqliteSynchronous::Normal,
                Sync::Full => SqliteSynchronous::Full,
            })
            .disable_statement_logging();
        // A checkpoint runs inside a COMMIT and holds the writer: 16 MB of log between two of them instead of 4.
        let mut writing = base.clone().pragma("wal_autocheckpoint", "4000");
        if options.shrinks {
            writing = writing.auto_vacuum(SqliteAutoVacuum::Incremental);
        }
        let mut writer = writing.connect().await?;
        make_wal(&mut writer).await?;
        let sync = match inject {
            Some(sync) => sync,
            None => of_wal(path).map_err(|error| Error::Unavailable(error.into()))?,
        };
        let sync = GroupSync::start(&name(path), sync)
            .map_err(|error| Error::Unavailable(error.into()))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(options.readers.max(1))
            .acquire_timeout(options.patience)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(base.pragma("query_only", "ON"));
        Ok(Lite {
            readers,
            writer: Arc::new(Mutex::new(Some(writer))),
            options: writing,
            patience: options.patience,
            sync,
            mode: options.sync,
        })
    }

    /// Waits in the queue for the writer, then begins.
    pub(super) async fn begin(&self) -> Result<LiteTx, Error> {
        if let Some(reason) = self.sync.poisoned() {
            return Err(Error::unavailable(reason));
        }
        let guard = tokio::time::timeout(self.patience, Arc::clone(&self.writer).lock_owned())
            .await
            .map_err(|_| {
                Error::unavailable(format!(
                    "no turn at the writer within {:?} (a transaction inside a transaction?)",
                    self.patience
                ))
            })?;
        // Open from the start, as sqlx does: if BEGIN is cancelled or fails, the drop queues a ROLLBACK behind it,
        // which does nothing when no transaction was begun.
        let mut tx = LiteTx { guard, open: true };
        match tx.begin().await {
            Ok(()) => Ok(tx),
            // Some errors (disk full, I/O) make SQLite roll back by itself; sqlx then still believes to be inside a
            // transaction, for ever. The new connection is made before the old one goes, so that the log file stays.
            Err(sqlx::Error::InvalidSavePointStatement | sqlx::Error::WorkerCrashed) => {
                tracing::warn!("the writer connection lost its transaction state and is made anew");
                let fresh = self.options.connect().await?;
                if let Some(old) = tx.guard.replace(fresh) {
                    // An error of the broken connection is of no use to anybody.
                    let _ = old.close().await;
                }
                tx.begin().await?;
                Ok(tx)
            }
            Err(error) => {
                // BEGIN answered: there is no transaction to roll back.
                tx.open = false;
                Err(error.into())
            }
        }
    }

    /// Closes readers, then the writer, which checkpoints and removes the log.
    pub(super) async fn close(&self) -> Result<(), Error> {
        self.readers.close().await;
        let writer = self.writer.lock().await.take();
        match writer {
            Some(writer) => Ok(writer.close().await?),
            None => Ok(()),
        }
    }
}

impl LiteTx {
    async fn begin(&mut self) -> sqlx::Result<()> {
        let conn = self.guard.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        // IMMEDIATE: a deferred transaction that reads and then writes gets SQLITE_BUSY at once, without busy_timeout
        Manager::begin(conn, Some("BEGIN IMMEDIATE".into_sql_str())).await
    }

    /// The connection, to run a statement inside the transaction.
    pub(super) fn conn(&mut self) -> Result<&mut SqliteConnection, Error> {
        self.guard
            .as_mut()
            .ok_or_else(|| sqlx::Error::PoolClosed.into())
    }

    /// COMMIT, and hand the writer on. Durable only after a sync.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        let conn = self.conn()?;
        Manager::commit(conn).await?;
        self.open = false;
        Ok(())
    }

    pub(super) async fn rollback(mut self) -> Result<(), Error> {
        let conn = self.conn()?;
        Manager::rollback(conn).await?;
        self.open = false;
        Ok(())
    }
}

impl Drop for LiteTx {
    fn drop(&mut self) {
        // Goes into the queue of the connection's thread before the guard is handed on, so that the next BEGIN runs
        // after it.
        if self.open
            && let Some(conn) = self.guard.as_mut()
        {
            Manager::start_rollback(conn);
        }
    }
}

/// The file's name without its ending.
pub(super) fn name(path: &Path) -> String {
    path.file_stem().map_or_else(
        || "db".to_owned(),
        |stem| stem.to_string_lossy().into_owned(),
    )
}

/// Makes sure the `-wal` file exists: SQLite creates it at the first read or write in WAL mode.
async fn make_wal(writer: &mut SqliteConnection) -> Result<(), Error> {
    let mode: (String,) = sqlx::query_as("PRAGMA journal_mode")
        .fetch_one(&mut *writer)
        .await?;
    if !mode.0.eq_ignore_ascii_case("wal") {
        return Err(Error::Configuration(format!(
            "the file system does not support SQLite's write-ahead log (journal mode is {})",
            mode.0
        )));
    }
    Manager::begin(writer, Some("BEGIN IMMEDIATE".into_sql_str())).await?;
    Manager::rollback(writer).await?;
    Ok(())
}

fn check_path(path: &Path) -> Result<(), Error> {
    let shown = path.display();
    if path.as_os_str().is_empty() || shown.to_string().contains(":memory:") {
        return Err(Error::Configuration(
            "sqlite: needs a file (a database in memory has no write-ahead log and is lost with its connection); tests: backends::testing".to_owned(),
        ));
    }
    let folder: PathBuf = path.parent().map(Path::to_path_buf).unwrap_or_default();
    if !folder.as_os_str().is_empty() && !folder.is_dir() {
        return Err(Error::Configuration(format!(
            "the folder of sqlite:{shown} does not exist"
        )));
    }
    Ok(())
}
