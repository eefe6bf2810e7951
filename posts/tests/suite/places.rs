//! Where a test keeps its posts: a database of its own, of each kind, and what lies in it, whichever kind it is.

use std::sync::Arc;

use backends::testing::TestDb;
#[cfg(feature = "mongodb-tests")]
use contracts::testing::event;
use contracts::testing::outbox;
use kit::clock::MockClock;
use kit::ids::SeededIds;
use posts::store::{SqlStore, Storage, Store};
use serde_json::Value;

#[cfg(feature = "mongodb-tests")]
use crate::mongo::TestMongo;

/// A database of one test; gone with its data when dropped.
pub enum Place {
    Sql(TestDb),
    #[cfg(feature = "mongodb-tests")]
    Mongo(TestMongo),
}

/// What the audit says, without what is erasable.
#[derive(Debug, PartialEq, Eq)]
pub struct Audited {
    pub action: String,
    pub actor: Option<i64>,
    pub object: String,
    pub reason: Option<String>,
}

/// What the tests over HTTP stand on: SQLite, and MongoDB where that is asked for.
pub async fn place() -> Place {
    #[cfg(feature = "mongodb-tests")]
    return Place::Mongo(TestMongo::new().await);
    #[cfg(not(feature = "mongodb-tests"))]
    Place::sqlite().await
}

impl Place {
    pub async fn sqlite() -> Self {
        Self::Sql(backends::testing::sqlite().await)
    }

    #[cfg(feature = "postgres-tests")]
    pub async fn postgres() -> Self {
        Self::Sql(backends::testing::postgres().await)
    }

    /// As a service opens it.
    pub async fn storage(&self) -> Storage {
        match self {
            Self::Sql(db) => (**db).clone().into(),
            #[cfg(feature = "mongodb-tests")]
            Self::Mongo(mongo) => mongo.storage().await,
        }
    }

    /// A store in it; each seed is a process of its own, which makes other ids.
    pub async fn open(&self, seed: u64) -> (Arc<dyn Store>, MockClock) {
        let clock = MockClock::default();
        let ids = SeededIds::shared(seed, clock.shared());
        let store: Arc<dyn Store> = match self {
            Self::Sql(db) => Arc::new(
                SqlStore::open((**db).clone(), clock.shared(), ids)
                    .await
                    .unwrap(),
            ),
            #[cfg(feature = "mongodb-tests")]
            Self::Mongo(mongo) => Arc::new(mongo.store(&clock, ids).await),
        };
        (store, clock)
    }

    /// Events that wait for delivery as (type, data), oldest first.
    pub async fn outbox(&self) -> Vec<(String, Value)> {
        match self {
            Self::Sql(db) => outbox(db).await,
            #[cfg(feature = "mongodb-tests")]
            Self::Mongo(mongo) => {
                let payloads = mongo.outbox().await;
                payloads.iter().map(|payload| event(payload)).collect()
            }
        }
    }

    /// Title and content of every post there was, whatever became of it.
    pub async fn texts(&self) -> Vec<(String, String)> {
        match self {
            Self::Sql(db) => db
                .query("SELECT title, content FROM posts ORDER BY id")
                .all()
                .await
                .unwrap(),
            #[cfg(feature = "mongodb-tests")]
            Self::Mongo(mongo) => mongo.texts().await,
        }
    }

    /// The titles of deleted posts that are still kept.
    pub async fn kept_titles(&self) -> Vec<String> {
        match self {
            Self::Sql(db) => {
                let rows: Vec<(String,)> = db
                    .query("SELECT title FROM posts WHERE text_until IS NOT NULL ORDER BY id")
                    .all()
                    .await
                    .unwrap();
                rows.into_iter().map(|(title,)| title).collect()
            }
            #[cfg(feature = "mongodb-tests")]
            Self::Mongo(mongo) => mongo.kept_titles().await,
        }
    }

    /// What posts are found by, in the order of the text.
    pub async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = match self {
            Self::Sql(db) => {
                let rows: Vec<(String,)> =
                    db.query("SELECT key FROM post_keys").all().await.unwrap();
                rows.into_iter().map(|(key,)| key).collect()
            }
            #[cfg(feature = "mongodb-tests")]
            Self::Mongo(mongo) => mongo.keys().await,
        };
        keys.sort();
        keys
    }

    /// Earlier texts as (version, title, who wrote it), by version.
    pub async fn revisions(&self) -> Vec<(i64, String, i64)> {
        match self {
            Self::Sql(db) => db
                .query("SELECT version, title, edited_by FROM post_revisions ORDER BY version")
                .all()
                .await
                .unwrap(),
            #[cfg(feature = "mongodb-tests")]
            Self::Mongo(mongo) => mongo.revisions().await,
        }
    }

    /// The audit in the order in which it was written.
    pub async fn audit(&self) -> Vec<Audited> {
        match self {
            Self::Sql(db) => {
                let rows: Vec<(String, Option<i64>, String, Option<String>)> = db
                    .query("SELECT action, actor, object, reason FROM audit ORDER BY entry")
                    .all()
                    .await
                    .unwrap();
                rows.into_iter()
                    .map(|(action, actor, object, reason)| Audited {
                        action,
                        actor,
                        object,
                        reason,
                    })
                    .collect()
            }
            #[cfg(feature = "mongodb-tests")]
            Self::Mongo(mongo) => mongo.audit().await,
        }
    }

    /// The clear values behind the audit, in the order of the text.
    pub async fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> = match self {
            Self::Sql(db) => {
                let rows: Vec<(String,)> = db
                    .query("SELECT value FROM audit_secret")
                    .all()
                    .await
                    .unwrap();
                rows.into_iter().map(|(value,)| value).collect()
            }
            #[cfg(feature = "mongodb-tests")]
            Self::Mongo(mongo) => mongo.secrets().await,
        };
        secrets.sort();
        secrets
    }

    /// From now on the store cannot be reached.
    pub async fn goes_away(&self) {
        match self {
            Self::Sql(db) => db.close().await.unwrap(),
            #[cfg(feature = "mongodb-tests")]
            Self::Mongo(mongo) => mongo.goes_away(),
        }
    }
}

/// Everything at once; one after the other where the server is one that loses concurrent updates
/// (`SCHOOLYARD_TEST_MONGODB_SEQUENTIAL`), so that the same promises are held without the race.
pub async fn at_once<T>(all: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    if !sequential() {
        return futures_util::future::join_all(all).await;
    }
    let mut results = Vec::new();
    for one in all {
        results.push(one.await);
    }
    results
}

/// Whether nothing may be done at once.
pub fn sequential() -> bool {
    cfg!(feature = "mongodb-tests")
        && kit::config::environment()
            .iter()
            .any(|(name, value)| name == "SCHOOLYARD_TEST_MONGODB_SEQUENTIAL" && !value.is_empty())
}

/// Runs each test on SQLite, on PostgreSQL with the feature `postgres-tests`, on MongoDB with `mongodb-tests`. The argument is a
/// [`Place`] of its own.
#[macro_export]
macro_rules! on_every_store {
    ($(async fn $name:ident($place:ident : $kind:ty) $body:block)+) => {
        $(async fn $name($place: $kind) $body)+

        mod sqlite {
            $(#[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::places::Place::sqlite().await).await;
            })+
        }

        #[cfg(feature = "postgres-tests")]
        mod postgres {
            $(#[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::places::Place::postgres().await).await;
            })+
        }

        #[cfg(feature = "mongodb-tests")]
        mod mongodb {
            $(#[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::places::Place::Mongo($crate::mongo::TestMongo::new().await)).await;
            })+
        }
    };
}
