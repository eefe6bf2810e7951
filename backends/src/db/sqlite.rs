//! SQLite: one writer connection with a queue before it, a pool of read-only readers, a thread that syncs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection,
    sqlite::{
        SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
        SqlitePoolOptions, SqliteSynchronous,
    },
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    DbOptions, Error, Sync,
    lite_tx::LiteTx,
    sync::{GroupSync, SyncFn, of_wal},
};

/// The writer; `None` once the database is closed.
pub(super) type Slot = Option<SqliteConnection>;

/// An open SQLite database.
#[derive(Debug)]
pub(super) struct Lite {
    pub(super) path: PathBuf,
    pub(super) readers: SqlitePool,
    /// tokio's mutex hands itself on in the order of arrival: that is the queue.
    writer: Arc<Mutex<Slot>>,
    patience: Duration,
    /// Exists for [`Sync::Full`] too: the relay's [`crate::Db::synced`] then finds nothing left to write.
    pub(super) sync: GroupSync,
    pub(super) mode: Sync,
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
            path: path.to_path_buf(),
            readers,
            writer: Arc::new(Mutex::new(Some(writer))),
            patience: options.patience,
            sync,
            mode: options.sync,
        })
    }

    /// Waits in the queue for the writer.
    pub(super) async fn writer(&self) -> Result<OwnedMutexGuard<Slot>, Error> {
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
        if guard.is_none() {
            return Err(sqlx::Error::PoolClosed.into());
        }
        Ok(guard)
    }

    /// Waits in the queue for the writer. The transaction begins with its first statement.
    pub(super) async fn begin(&self) -> Result<LiteTx, Error> {
        let turn = self.sync.turn();
        Ok(LiteTx::new(self.writer().await?, turn))
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
    sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK")
        .execute(writer)
        .await?;
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
