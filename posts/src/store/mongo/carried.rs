//! What a document carries until a worker has taken it on: events for the relay, entries for the chainer. They are written in
//! the one write of the change they tell of, so that neither can be without the other.
//!
//! `outbox: {pending: [{at, id}, ..], held: {<id>: {..}, ..}}`, and `audit` in the same way. The list gives order and index;
//! what is held lies beside it under its id, so that taking it away names the id and does not repeat the whole of it.

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use uuid::Uuid;

use super::MongoStore;
use super::error::{kind_of, unreadable, within};
use super::statements::{Change, Made, update};

/// Bytes of cargo read at once, beyond which no further document is asked.
const ENOUGH: usize = 4 << 20;
/// Documents the server sends at once: each may be large.
const DOCUMENTS: u32 = 32;

/// One kind of cargo, named by its field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cargo(&'static str);

/// Events on their way to the bus.
pub(super) const OUTBOX: Cargo = Cargo("outbox");
/// Entries on their way to the audit's chain.
pub(super) const AUDIT: Cargo = Cargo("audit");

/// Where one piece is: for [`Cargo::remove`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    post: ObjectId,
    pub(super) at: i64,
    pub(super) id: String,
}

impl Cargo {
    /// Adds a piece to the update of a document.
    pub(super) fn put(self, change: &mut Change, id: Uuid, at: DateTime<Utc>, held: Document) {
        let id = id.to_string();
        change.set.insert(format!("{}.held.{id}", self.0), held);
        change.push.insert(
            format!("{}.pending", self.0),
            doc! { "at": at.timestamp_micros(), "id": id },
        );
    }

    /// Whether the update adds any.
    pub(super) fn is_in(self, change: &Change) -> bool {
        change.push.contains_key(format!("{}.pending", self.0))
    }

    /// The field that is indexed.
    pub(super) fn index(self) -> String {
        format!("{}.pending.at", self.0)
    }

    fn waiting(self) -> Document {
        doc! { self.index(): { "$gt": 0_i64 } }
    }

    /// Whether no document carries any.
    pub(super) async fn is_empty(self, store: &MongoStore) -> Result<bool, backends::db::Error> {
        let found = within(
            store
                .posts()
                .find_one(self.waiting())
                .projection(doc! { "_id": 1 }),
        )
        .await;
        Ok(found.map_err(kind_of)?.is_none())
    }

    /// How many pieces there are.
    pub(super) async fn count(self, store: &MongoStore) -> Result<i64, backends::db::Error> {
        let pipeline = [
            doc! { "$match": self.waiting() },
            doc! { "$unwind": format!("${}.pending", self.0) },
            doc! { "$group": { "_id": null, "pieces": { "$sum": 1 } } },
        ];
        let counted = within(async { store.posts().aggregate(pipeline).await?.try_next().await })
            .await
            .map_err(kind_of)?;
        let pieces = counted.as_ref().and_then(|found| found.get("pieces"));
        Ok(pieces
            .and_then(|n| n.as_i32().map(i64::from).or_else(|| n.as_i64()))
            .unwrap_or(0))
    }

    /// Up to `limit` of the pieces that wait, and whether those are all; those of one document in their order, and none before
    /// an earlier one. The
    /// documents come as the index has them, which is the longest waiting first: asked for in that order, a server would
    /// sort everything that waits, since each document is in the index several times.
    pub(super) async fn some(
        self,
        store: &MongoStore,
        limit: usize,
    ) -> Result<(Vec<(Place, Document)>, bool), backends::db::Error> {
        let (found, all) = within(async {
            let mut documents = store
                .posts()
                .find(self.waiting())
                .projection(doc! { self.0: 1 })
                .batch_size(DOCUMENTS)
                .await?;
            let (mut found, mut bytes) = (Vec::new(), 0);
            while found.len() < limit && bytes < ENOUGH {
                if !documents.advance().await? {
                    return Ok((found, true));
                }
                bytes += documents.current().as_bytes().len();
                found.push(documents.deserialize_current()?);
            }
            Ok((found, false))
        })
        .await
        .map_err(kind_of)?;
        let mut pieces = Vec::new();
        for document in found {
            pieces.extend(self.pieces(document)?);
        }
        let all = all && pieces.len() <= limit;
        pieces.truncate(limit);
        Ok((pieces, all))
    }

    fn pieces(self, mut document: Document) -> Result<Vec<(Place, Document)>, backends::db::Error> {
        let broken = || unreadable(self.0);
        let post = document.get_object_id("_id").map_err(|_| broken())?;
        let cargo = document.get_document_mut(self.0).map_err(|_| broken())?;
        let pending = cargo.get_array("pending").map_err(|_| broken())?.clone();
        let held = cargo.get_document_mut("held").map_err(|_| broken())?;
        pending
            .iter()
            .map(|entry| {
                let entry = entry.as_document().ok_or_else(broken)?;
                let id = entry.get_str("id").map_err(|_| broken())?.to_owned();
                let at = entry.get_i64("at").map_err(|_| broken())?;
                let Some(mongodb::bson::Bson::Document(piece)) = held.remove(&id) else {
                    return Err(broken());
                };
                Ok((Place { post, at, id }, piece))
            })
            .collect()
    }

    /// Takes pieces away. Repeated, it changes nothing; not durable by itself, since what stays is taken on again.
    pub(super) async fn remove(
        self,
        store: &MongoStore,
        places: &[Place],
    ) -> Result<(), backends::db::Error> {
        let statements = places
            .chunk_by(|a, b| a.post == b.post)
            .map(|of_one| {
                let mut held = Document::new();
                let mut pending = Vec::new();
                for place in of_one {
                    held.insert(format!("{}.held.{}", self.0, place.id), "");
                    pending.push(doc! { "at": place.at, "id": &place.id });
                }
                let update = doc! {
                    "$unset": held,
                    "$pullAll": { format!("{}.pending", self.0): pending },
                };
                (doc! { "_id": of_one[0].post }, update)
            })
            .collect();
        update(store, statements, Made::Relaxed).await?;
        Ok(())
    }
}
