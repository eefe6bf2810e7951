//! Runs migrations: backends' own, then the caller's.
//!
//! Each set is recorded in a table of its own, so that both number from 1 and neither sees the other's versions as
//! missing. The checksum recorded is that of the migration as written, not as expanded, so that a better expansion in a
//! later release does not read as a changed migration.

use std::borrow::Cow;

use sqlx::{
    AssertSqlSafe, Connection, SqlSafeStr,
    migrate::{Migrate, MigrateError, Migration, Migrator},
};

use super::{Error, Kind, directive, engine::Engine};

/// Where the caller's versions are recorded.
pub(super) const CALLER: &str = "_sqlx_migrations";
/// Where backends' own versions are recorded.
const OWN: &str = "_backends_migrations";

static OWN_MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Backends' own tables: outbox, audit, leases, idempotency.
pub(super) async fn own(engine: &Engine) -> Result<(), Error> {
    run(engine, &OWN_MIGRATIONS, OWN).await
}

pub(super) async fn run(
    engine: &Engine,
    given: &Migrator,
    table: &'static str,
) -> Result<(), Error> {
    match engine {
        Engine::Postgres(pool) => {
            let migrator = expanded(given, Kind::Postgres, table)?;
            let mut conn = pool.acquire().await?;
            // takes an advisory lock on the database
            let result = run_on(&migrator, &mut *conn, table).await;
            if result.is_err() {
                // sqlx keeps the advisory lock when a migration fails: it must not go back into the pool with it
                conn.close().await?;
            }
            result
        }
        Engine::Sqlite(lite) => {
            let migrator = expanded(given, Kind::Sqlite, table)?;
            // One BEGIN IMMEDIATE around everything: a second process waits, then finds it done. The migrations' own
            // transactions become savepoints inside it.
            let mut writer = lite.writer().await?;
            let conn = writer.as_mut().ok_or(sqlx::Error::PoolClosed)?;
            let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
            run_on(&migrator, &mut *tx, table).await?;
            tx.commit().await?;
            lite.sync.wait().await
        }
    }
}

async fn run_on<C>(migrator: &Migrator, conn: &mut C, table: &str) -> Result<(), Error>
where
    C: Migrate + Connection,
{
    match migrator.run_direct(None, conn, false).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(missing)) => {
            let known = migrator
                .iter()
                .map(|migration| migration.version)
                .max()
                .unwrap_or(0);
            let applied = conn.list_applied_migrations(table).await.map_err(failed)?;
            let found = applied
                .iter()
                .map(|applied| applied.version)
                .max()
                .unwrap_or(missing);
            if found > known {
                return Err(Error::NewerSchema { found, known });
            }
            Err(Error::Configuration(format!(
                "migration {missing} was applied to the store but is not in this binary"
            )))
        }
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) => error.into(),
        MigrateError::ExecuteMigration(error, version) => match Error::from(error) {
            Error::Other(cause) => {
                Error::Other(cause.context(format!("migration {version} failed")))
            }
            other => other,
        },
        other => Error::Other(other.into()),
    }
}

fn expanded(given: &Migrator, kind: Kind, table: &'static str) -> Result<Migrator, Error> {
    let migrations = given
        .iter()
        .map(|migration| {
            Ok(Migration {
                version: migration.version,
                description: migration.description.clone(),
                migration_type: migration.migration_type,
                sql: AssertSqlSafe(directive::expand(migration.sql.as_str(), kind)?).into_sql_str(),
                checksum: migration.checksum.clone(),
                no_tx: migration.no_tx,
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let mut migrator = Migrator::with_migrations(migrations);
    migrator.set_ignore_missing(given.ignore_missing);
    migrator.dangerous_set_table_name(Cow::Borrowed(table));
    Ok(migrator)
}
