//! One relational store, SQLite or PostgreSQL, behind one handle and one SQL text.
//!
//! Reads go through [`Db::query`], every write through a [`Tx`]. What is the same on both databases and what is not is
//! listed in the README.

mod directive;
mod engine;
mod error;
mod hold;
mod lite_tx;
mod migrate;
mod options;
mod parameters;
mod pg_tx;
mod query;
mod sqlite;
mod sync;
#[cfg(test)]
mod tests;
mod tx;

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::watch;

use self::{
    engine::{Engine, Inner},
    pg_tx::PgTx,
    query::On,
    sqlite::Lite,
    tx::TxOn,
};
pub use self::{
    error::Error,
    hold::{Hold, Share},
    options::{DbOptions, Sync},
    query::{Bind, Later, Query, Record},
    tx::Tx,
};

/// A connection to PostgreSQL that somebody used so recently is there: asking it first would be one more round trip of each
/// statement. One that went away within this time fails who takes it, as one that goes away a moment later does.
const TRUSTED: Duration = Duration::from_secs(1);

/// Which database a [`Db`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A file, embedded.
    Sqlite,
    /// A server.
    Postgres,
}

/// Counters since the database was opened; for tests, metrics and the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Transactions committed through this handle.
    pub commits: u64,
    /// Syncs of the write-ahead log made for them (SQLite only).
    pub syncs: u64,
}

/// An open database. Cheap to clone; all clones share connections.
#[derive(Clone, Debug)]
pub struct Db {
    inner: Arc<Inner>,
}

impl Db {
    /// Opens `sqlite:PATH` or `postgres://..`. The SQLite file is made if it is missing, its folder is not; an
    /// unreachable PostgreSQL is [`Error::Unavailable`]. `sqlite:PATH?sync=full` asks for [`Sync::Full`].
    pub async fn open(url: &str, options: DbOptions) -> Result<Db, Error> {
        let (scheme, rest) = url.split_once(':').ok_or_else(|| unknown_scheme(""))?;
        let (engine, name) = match scheme {
            "sqlite" => {
                let (path, options) = options.of_address(rest)?;
                let path = Path::new(path.strip_prefix("//").unwrap_or(path));
                let lite = Lite::open(path, &options, None).await?;
                (Engine::Sqlite(Box::new(lite)), sqlite::name(path))
            }
            "postgres" | "postgresql" => {
                let connect: PgConnectOptions = url.parse().map_err(|_| {
                    Error::Configuration(format!("the {scheme}: address is not a valid URL"))
                })?;
                let name = connect.get_database().unwrap_or("postgres").to_owned();
                let pool = PgPoolOptions::new()
                    .max_connections(options.connections.max(2))
                    .acquire_timeout(options.patience)
                    .test_before_acquire(false)
                    .before_acquire(|connection, meta| {
                        Box::pin(async move {
                            if meta.idle_for >= TRUSTED {
                                connection.ping().await?;
                            }
                            Ok(true)
                        })
                    })
                    .connect_with(connect)
                    .await?;
                warn_if_not_durable(&pool).await?;
                (Engine::Postgres(pool), name)
            }
            other => return Err(unknown_scheme(other)),
        };
        Ok(Db {
            inner: Arc::new(Inner::new(engine, name)),
        })
    }

    /// An SQLite database whose syncs are made by the test.
    #[cfg(test)]
    pub(crate) async fn open_with(
        path: &Path,
        options: DbOptions,
        sync: Box<dyn FnMut() -> std::io::Result<()> + Send>,
    ) -> Result<Db, Error> {
        let lite = Lite::open(path, &options, Some(sync)).await?;
        Ok(Db {
            inner: Arc::new(Inner::new(
                Engine::Sqlite(Box::new(lite)),
                sqlite::name(path),
            )),
        })
    }

    /// A read. On SQLite it runs on the reader pool, whose connections refuse to write; it sees every transaction
    /// committed before it began.
    pub fn query(&self, sql: impl sqlx::SqlSafeStr) -> Query<'_> {
        match &self.inner.engine {
            Engine::Postgres(pool) => Query::new(On::PgPool(pool), sql),
            Engine::Sqlite(lite) => Query::new(On::SqlitePool(&lite.readers), sql),
        }
    }

    /// Begins a transaction. On SQLite it waits its turn at the one writer; elsewhere for a free connection.
    pub async fn begin(&self) -> Result<Tx, Error> {
        let on = match &self.inner.engine {
            Engine::Postgres(pool) => TxOn::Postgres(PgTx::begin(pool).await?),
            Engine::Sqlite(lite) => TxOn::Sqlite(lite.begin().await?),
        };
        Ok(Tx::new(on, self.clone()))
    }

    /// Waits until everything committed before this call is on disk. PostgreSQL shows no commit to others before that.
    pub async fn synced(&self) -> Result<(), Error> {
        match &self.inner.engine {
            Engine::Postgres(_) => Ok(()),
            Engine::Sqlite(lite) => lite.sync.wait().await,
        }
    }

    /// Applies backends' own migrations, then the given ones (`sqlx::migrate!("./migrations")`), with the directives of
    /// this crate expanded for the database. Safe when several processes start at once.
    pub async fn migrate(&self, migrator: &sqlx::migrate::Migrator) -> Result<(), Error> {
        migrate::own(&self.inner.engine).await?;
        migrate::run(&self.inner.engine, migrator, migrate::CALLER).await
    }

    /// Applies the given migrations alone, for a store that needs neither outbox nor audit (the bus).
    pub(crate) async fn migrate_only(
        &self,
        migrator: &sqlx::migrate::Migrator,
    ) -> Result<(), Error> {
        migrate::run(&self.inner.engine, migrator, migrate::CALLER).await
    }

    /// What metrics call it: the name of the file without its ending, or of the database on its server.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Which database this is.
    pub fn kind(&self) -> Kind {
        match &self.inner.engine {
            Engine::Postgres(_) => Kind::Postgres,
            Engine::Sqlite(_) => Kind::Sqlite,
        }
    }

    /// For readiness: the store answers a read and can still make commits durable.
    pub async fn check(&self) -> Result<(), Error> {
        if let Engine::Sqlite(lite) = &self.inner.engine
            && let Some(reason) = lite.sync.poisoned()
        {
            return Err(Error::unavailable(reason));
        }
        self.query("SELECT CAST(1 AS BIGINT)")
            .scalar::<i64>()
            .await
            .map(|_| ())
    }

    /// Commits and syncs so far.
    pub fn counters(&self) -> Counters {
        let syncs = match &self.inner.engine {
            Engine::Postgres(_) => 0,
            Engine::Sqlite(lite) => lite.sync.syncs(),
        };
        Counters {
            commits: self.inner.commits.load(Ordering::Relaxed),
            syncs,
        }
    }

    /// Closes every connection; later calls answer [`Error::Unavailable`]. SQLite then folds its log into the file.
    pub async fn close(&self) -> Result<(), Error> {
        match &self.inner.engine {
            Engine::Postgres(pool) => {
                pool.close().await;
                Ok(())
            }
            Engine::Sqlite(lite) => lite.close().await,
        }
    }

    /// Changes with every commit that carries an outbox message.
    pub(crate) fn outbox_commits(&self) -> watch::Receiver<u64> {
        self.inner.outbox.subscribe()
    }

    /// The events committed through this handle since they were taken last, by their numbers; perhaps not all of them.
    pub(crate) fn events_written(&self) -> Vec<(i64, crate::bus::Record)> {
        self.inner.written.take()
    }

    /// Changes with every commit that carries an audit entry.
    pub(crate) fn audit_commits(&self) -> watch::Receiver<u64> {
        self.inner.audit.subscribe()
    }
}

fn unknown_scheme(scheme: &str) -> Error {
    Error::Configuration(format!(
        "unknown scheme `{scheme}:`; known: sqlite:, postgres:, postgresql:"
    ))
}

/// A server told not to sync breaks the promise of [`Tx::commit`]; that is the operator's decision, but not a silent one.
async fn warn_if_not_durable(pool: &sqlx::PgPool) -> Result<(), Error> {
    for setting in ["fsync", "synchronous_commit"] {
        let (value,): (String,) = sqlx::query_as("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(pool)
            .await?;
        if value == "off" {
            tracing::warn!(
                setting,
                "postgresql is configured to lose acknowledged writes in a crash"
            );
        }
    }
    Ok(())
}
