//! Which store an address names.

use std::sync::Arc;

use backends::bus::Bus;
use backends::db::{Db, DbOptions, Error};
use backends::{audit, idempotency, outbox};
use kit::clock::SharedClock;
use kit::ids::SharedIds;
use kit::metrics::Metrics;
use kit::service::Worker;

use super::{SqlStore, Store};

/// Where posts are kept: opened, and not yet in use.
#[derive(Clone, Debug)]
pub enum Storage {
    /// SQLite or PostgreSQL.
    Sql(Db),
    /// MongoDB.
    #[cfg(feature = "mongodb")]
    Mongo(super::Mongo),
}

impl From<Db> for Storage {
    fn from(db: Db) -> Self {
        Self::Sql(db)
    }
}

/// Opens the store that `posts.store` names by the scheme of its address: `sqlite:`, `postgres:` or `mongodb:`. The first two
/// have to answer now; a MongoDB that is away is waited for, with 503 meanwhile.
///
/// # Errors
/// An address that cannot be one, a scheme this program does not know or was built without; a relational store that does
/// not answer.
pub async fn open(url: &str) -> Result<Storage, Error> {
    match url.split_once(':').map_or("", |(scheme, _)| scheme) {
        "mongodb" | "mongodb+srv" => mongo(url).await,
        "sqlite" | "postgres" | "postgresql" => {
            Db::open(url, DbOptions::default()).await.map(Storage::Sql)
        }
        other => Err(Error::Configuration(format!(
            "unknown scheme `{other}:`; known: sqlite:, postgres:, postgresql:, mongodb:, mongodb+srv:"
        ))),
    }
}

#[cfg(feature = "mongodb")]
async fn mongo(url: &str) -> Result<Storage, Error> {
    super::Mongo::open(url).await.map(Storage::Mongo)
}

#[cfg(not(feature = "mongodb"))]
async fn mongo(_: &str) -> Result<Storage, Error> {
    Err(Error::Configuration(
        "this program was built without MongoDB: build it with `cargo build --release --features servers`, or name a store with \
         sqlite: or postgres:"
            .to_owned(),
    ))
}

impl Storage {
    /// The relational database, if it is one: the only kind whose leases and migrations its host looks after.
    #[must_use]
    pub fn relational(&self) -> Option<&Db> {
        match self {
            Self::Sql(db) => Some(db),
            #[cfg(feature = "mongodb")]
            Self::Mongo(_) => None,
        }
    }

    /// The store in use, and what it does by itself: deliver events, chain the audit, forget old keys.
    ///
    /// # Errors
    /// A relational store that does not answer; a store that a newer program has changed.
    pub(crate) async fn start(
        self,
        bus: Arc<dyn Bus>,
        clock: SharedClock,
        ids: SharedIds,
        metrics: Metrics,
    ) -> anyhow::Result<(Arc<dyn Store>, Vec<Worker>)> {
        match self {
            Self::Sql(db) => {
                let store = SqlStore::open(db.clone(), clock.clone(), ids.clone()).await?;
                let workers = vec![
                    outbox::relay(db.clone(), bus, clock.clone(), ids.clone(), metrics),
                    audit::chainer(db.clone(), clock.clone(), ids),
                    idempotency::sweeper(db, clock),
                ];
                Ok((Arc::new(store), workers))
            }
            #[cfg(feature = "mongodb")]
            Self::Mongo(mongo) => {
                let store = super::MongoStore::open(mongo, clock.clone(), ids.clone()).await?;
                let workers = vec![
                    outbox::relay(store.clone(), bus, clock.clone(), ids.clone(), metrics),
                    audit::chainer(store.clone(), clock, ids),
                    store.keeper(),
                ];
                Ok((Arc::new(store), workers))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_unknown_scheme_is_told_the_known_ones() {
        for url in ["redis://h", "posts.db", ""] {
            let error = open(url).await.unwrap_err().to_string();
            assert!(
                error.contains("sqlite:, postgres:, postgresql:, mongodb:"),
                "{error}"
            );
        }
    }

    #[cfg(not(feature = "mongodb"))]
    #[tokio::test]
    async fn without_mongodb_built_in_its_address_says_how_to_build_it() {
        let error = open("mongodb://u:secret@h/posts").await.unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("--features servers") && !error.contains("secret"),
            "{error}"
        );
    }
}
