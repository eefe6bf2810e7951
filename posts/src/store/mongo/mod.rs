//! The document store: MongoDB, a standalone server or a replica set. It needs neither transactions nor change streams: one
//! post is one document, and every change of it is one write, which carries the earlier text, the event and the audit entry.
//! The README says what that looks like.

mod audit;
mod carried;
mod connection;
mod documents;
mod edit;
mod error;
mod export;
mod idempotency;
mod lease;
mod order;
mod outbox;
mod page;
mod place;
mod prepare;
mod publish;
mod revisions;
mod statements;
mod upkeep;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backends::audit::Verdict;
use chrono::{DateTime, Utc};
use contracts::clients::ExportRow;
use contracts::{PostId, UserId};
use kit::clock::{Clock, SharedClock};
use kit::ids::{Ids, SharedIds};
use kit::page::Cursor;
use kit::service::Worker;
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use mongodb::options::CollectionOptions;
use tokio::sync::{OnceCell, watch};

pub use connection::Mongo;

use super::{Edit, NewPost, Once, PageQuery, Part, Posts, Removal, Store};
use crate::audience::Reader;
use crate::error::Error;
use crate::model::Post;
use error::{kind_of, unless_duplicate, within};
use order::Order;

const POSTS: &str = "posts";
/// What there is once: the clock, the mark of the form, the document that is written to wait for the disk.
const META: &str = "meta";
/// How long a request waits for a store that has not been made ready yet.
const READY: Duration = Duration::from_millis(2500);
/// How long readiness waits: its host gives a check one second, and would not know what to say.
const CHECKED: Duration = Duration::from_millis(900);

/// Posts in MongoDB. Cheap to clone.
#[derive(Clone)]
pub struct MongoStore {
    inner: Arc<Inner>,
}

struct Inner {
    mongo: Mongo,
    clock: SharedClock,
    ids: SharedIds,
    prepared: OnceCell<()>,
    order: Order,
    outbox: watch::Sender<u64>,
    audit: watch::Sender<u64>,
}

impl fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MongoStore")
            .field(&self.inner.mongo)
            .finish()
    }
}

impl MongoStore {
    /// Makes the database ready: indexes, and what an earlier process left half done. One that does not answer is not an
    /// error: it is tried again, with every request and by the keeper.
    ///
    /// # Errors
    /// The database holds posts in a newer form, or refuses an index.
    pub async fn open(
        mongo: Mongo,
        clock: SharedClock,
        ids: SharedIds,
    ) -> Result<Self, backends::db::Error> {
        let store = Self {
            inner: Arc::new(Inner {
                mongo,
                clock,
                ids,
                prepared: OnceCell::new(),
                order: Order::default(),
                outbox: watch::Sender::new(0),
                audit: watch::Sender::new(0),
            }),
        };
        match store.ready().await {
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "posts are 503 until their store answers");
            }
            ready => ready?,
        }
        Ok(store)
    }

    /// What this store does by itself beside delivering events and chaining the audit.
    pub(crate) fn keeper(&self) -> Worker {
        upkeep::keeper(self.clone())
    }

    /// Sweeps what requests that died left behind, as the keeper does every hour.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn sweep(&self) -> Result<(), Error> {
        self.ready().await?;
        Ok(upkeep::sweep(self).await?)
    }

    /// Verifies the whole chain of the audit and the clear values that were not erased. Entries that are still carried by
    /// their documents are not part of it.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn verify_audit(&self) -> Result<Verdict, Error> {
        self.ready().await?;
        Ok(audit::verify(self).await?)
    }

    /// Ready, however long it takes: an index over many posts takes a while.
    async fn prepared(&self) -> Result<(), backends::db::Error> {
        let prepared = &self.inner.prepared;
        prepared
            .get_or_try_init(|| prepare::prepare(self))
            .await
            .copied()
    }

    async fn ready(&self) -> Result<(), backends::db::Error> {
        if self.inner.prepared.initialized() {
            return Ok(());
        }
        // Many wait for the one that tries, and each that fails lets the next one try.
        match tokio::time::timeout(READY, self.prepared()).await {
            Ok(prepared) => prepared,
            Err(_) => Err(no_answer()),
        }
    }

    /// Waits until everything this server has taken so far is on disk: a durable write is answered when all before it is.
    async fn sync(&self) -> Result<(), backends::db::Error> {
        let meta = self.mongo().database.collection::<Document>(META);
        let synced =
            within(meta.update_one(doc! { "_id": "sync" }, doc! { "$inc": { "count": 1_i64 } }));
        if synced.await.map_err(kind_of)?.matched_count == 0 {
            let first = doc! { "_id": "sync", "count": 1_i64 };
            unless_duplicate(within(meta.insert_one(first)).await).map_err(kind_of)?;
        }
        Ok(())
    }

    fn mongo(&self) -> &Mongo {
        &self.inner.mongo
    }

    /// The posts; a write is durable.
    fn posts(&self) -> Collection<Document> {
        self.mongo().database.collection(POSTS)
    }

    /// A collection for writes that a later durable one covers, or that may be repeated.
    fn relaxed(&self, name: &str) -> Collection<Document> {
        let options = CollectionOptions::builder()
            .write_concern(self.mongo().relaxed.clone())
            .build();
        self.mongo().database.collection_with_options(name, options)
    }

    fn clock(&self) -> &dyn Clock {
        &*self.inner.clock
    }

    fn ids(&self) -> &dyn Ids {
        &*self.inner.ids
    }

    fn order(&self) -> &Order {
        &self.inner.order
    }

    fn tell_outbox(&self) {
        self.inner.outbox.send_modify(|count| *count += 1);
    }

    fn tell_audit(&self) {
        self.inner.audit.send_modify(|count| *count += 1);
    }

    fn outbox_news(&self) -> watch::Receiver<u64> {
        self.inner.outbox.subscribe()
    }

    fn audit_news(&self) -> watch::Receiver<u64> {
        self.inner.audit.subscribe()
    }
}

fn no_answer() -> backends::db::Error {
    backends::db::Error::Unavailable(anyhow::anyhow!("posts.store: no server answers"))
}

#[async_trait]
impl Store for MongoStore {
    async fn publish(&self, new: NewPost, once: Option<Once>) -> Result<Post, Error> {
        self.ready().await?;
        publish::publish(self, new, once).await
    }

    async fn find(&self, id: PostId, reader: Option<&Reader>) -> Result<Option<Post>, Error> {
        self.ready().await?;
        page::find(self, id, reader).await
    }

    async fn page(&self, query: &PageQuery) -> Result<Posts, Error> {
        self.ready().await?;
        page::page(self, query).await
    }

    async fn edit(&self, read: &Post, edit: Edit) -> Result<Option<Post>, Error> {
        self.ready().await?;
        edit::edit(self, read, edit).await
    }

    async fn remove(&self, read: &Post, removal: Removal) -> Result<bool, Error> {
        self.ready().await?;
        edit::remove(self, read, removal).await
    }

    async fn export(
        &self,
        part: Part,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<(ExportRow, Cursor)>, Error> {
        self.ready().await?;
        export::export(self, part, after, limit).await
    }

    async fn place(&self, id: PostId) -> Result<Option<Cursor>, Error> {
        self.ready().await?;
        page::place(self, id).await
    }

    async fn forget_author(&self, user: UserId, limit: u32) -> Result<u32, Error> {
        self.ready().await?;
        upkeep::forget_author(self, user, limit).await
    }

    async fn drop_texts(&self, now: DateTime<Utc>) -> Result<u64, Error> {
        self.ready().await?;
        upkeep::drop_texts(self, now).await
    }

    /// A read of the database itself: a ping needs no rights.
    async fn check(&self) -> Result<(), Error> {
        let asked = async {
            self.ready().await?;
            within(self.posts().find_one(doc! { "_id": "none" })).await?;
            Ok(())
        };
        match tokio::time::timeout(CHECKED, asked).await {
            Ok(answered) => answered,
            Err(_) => Err(no_answer().into()),
        }
    }
}
