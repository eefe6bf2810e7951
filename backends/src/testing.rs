//! Databases and event logs for tests, and [`crate::on_every_database`] and [`crate::on_every_bus`], which run one test on each
//! kind.

mod bus;
mod cable;
#[cfg(feature = "redis")]
mod redis;

use std::{ops::Deref, path::PathBuf};

use kit::{clock::SystemClock, ids::RandomIds};
use tempfile::TempDir;

pub use self::bus::{KAFKA, TestBus, sqlite_bus};
#[cfg(feature = "kafka")]
pub use self::bus::{kafka_bus, kafka_bus_of};
pub use self::cable::Cable;
#[cfg(feature = "redis")]
pub use self::redis::{REDIS, TestRedis, redis};
use crate::db::{Db, DbOptions};

/// The variable that names the PostgreSQL of the tests: a database in which they may make and drop schemas.
pub const POSTGRES: &str = "SCHOOLYARD_TEST_POSTGRES";

/// A database of one test; gone with its data when dropped. Carries backends' own tables once
/// [`Db::migrate`] ran.
#[derive(Debug)]
pub struct TestDb {
    db: Db,
    url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Folder(TempDir),
    Schema { url: String, name: String },
}

impl TestDb {
    /// Its address, to open it a second time as another process would.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A second handle, with connections of its own, as another process would have.
    pub async fn again(&self) -> Db {
        open(&self.url).await
    }

    /// The folder of an SQLite database, for whatever else the test needs on disk.
    pub fn folder(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Folder(folder) => Some(folder.path().to_path_buf()),
            Place::Schema { .. } => None,
        }
    }
}

impl Deref for TestDb {
    type Target = Db;

    fn deref(&self) -> &Db {
        &self.db
    }
}

/// A fresh SQLite database in a folder of its own.
pub async fn sqlite() -> TestDb {
    let folder = tempfile::tempdir().expect("a test can make a temporary folder");
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    TestDb {
        db: open(&url).await,
        url,
        place: Place::Folder(folder),
    }
}

/// A fresh schema on the PostgreSQL named by [`POSTGRES`], which must be set: a missing server fails the test, it is never
/// skipped.
pub async fn postgres() -> TestDb {
    let base = kit::testing::required_env(POSTGRES);
    let name = format!(
        "t{}",
        RandomIds::shared(SystemClock::shared()).uuid().simple()
    );
    let admin = open(&base).await;
    on_postgres(&admin, format!("CREATE SCHEMA {name}"))
        .await
        .expect("a test may make a schema");
    admin.close().await.expect("a connection closes");
    let joint = if base.contains('?') { '&' } else { '?' };
    let url = format!("{base}{joint}options[search_path]={name}");
    TestDb {
        db: open(&url).await,
        url,
        place: Place::Schema { url: base, name },
    }
}

async fn open(url: &str) -> Db {
    let options = DbOptions {
        connections: 8,
        ..DbOptions::default()
    };
    match Db::open(url, options).await {
        Ok(db) => db,
        Err(error) => panic!("the database of a test cannot be opened: {error}"),
    }
}

async fn on_postgres(db: &Db, statement: String) -> Result<(), crate::db::Error> {
    let mut tx = db.begin().await?;
    tx.query("SET LOCAL lock_timeout = '2s'").execute().await?;
    tx.query(sqlx::AssertSqlSafe(statement)).execute().await?;
    tx.commit().await
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let Place::Schema { url, name } = &self.place else {
            return;
        };
        let (url, statement) = (url.clone(), format!("DROP SCHEMA {name} CASCADE"));
        // Drop cannot await, and the test's own runtime may be going down.
        let dropping = std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
            else {
                return;
            };
            runtime.block_on(async {
                let Ok(db) = Db::open(&url, DbOptions::default()).await else {
                    return;
                };
                if let Err(error) = on_postgres(&db, statement).await {
                    tracing::warn!(%error, "the schema of a test is left behind");
                }
            });
        });
        // A schema left behind harms nobody.
        let _ = dropping.join();
    }
}

/// Runs each test on SQLite, and on PostgreSQL when the *calling* crate has its feature `postgres-tests` on:
///
/// ```ignore
/// backends::on_every_database! {
///     async fn a_row_is_read_back(db: TestDb) { db.migrate(&MIGRATIONS).await.unwrap(); .. }
/// }
/// ```
/// makes `sqlite::a_row_is_read_back` and `postgres::a_row_is_read_back`. The argument is a [`TestDb`] of its own,
/// without any table; it derefs to [`Db`]. Once per module.
#[macro_export]
macro_rules! on_every_database {
    ($($(#[$meta:meta])* async fn $name:ident($db:ident : $kind:ty) $body:block)+) => {
        $(async fn $name($db: $kind) $body)+

        mod sqlite {
            $($(#[$meta])* #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::testing::sqlite().await).await;
            })+
        }

        #[cfg(feature = "postgres-tests")]
        mod postgres {
            $($(#[$meta])* #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::testing::postgres().await).await;
            })+
        }
    };
}
