//! Earlier texts: the last ones inside the document, in the write of the edit, older ones apart, so that a document that is
//! edited for years stays small.

use contracts::PostId;
use futures_util::TryStreamExt;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};

use super::MongoStore;
use super::documents::{object_id, state};
use super::error::{unless_duplicate, within, within_long};
use super::statements::Change;
use crate::model::Post;

pub(super) const APART: &str = "revisions";
/// Versions whose texts stay inside (spec/posts.md section 3).
const INSIDE: i64 = 20;

/// Adds the text as it was read to the update that replaces it.
pub(super) fn put(change: &mut Change, read: &Post) {
    let audience: Vec<String> = read.audience.iter().map(ToString::to_string).collect();
    change.set.insert(
        format!("revisions.{}", read.version),
        doc! {
            "title": &read.title,
            "content": &read.content,
            "tags": &read.tags,
            "audience": audience,
            "edited_by": read.edited_by.0,
            "at": read.updated_at.timestamp_micros(),
        },
    );
}

/// Moves the text apart that is no more among the last ones of a post just edited. The edit is made: a failure here leaves
/// the text where it is, which harms nobody.
pub(super) async fn move_apart(store: &MongoStore, post: &Post) {
    let version = post.version - 1 - INSIDE;
    if version < 1 {
        return;
    }
    if let Err(error) = moved(store, post.id, version).await {
        tracing::warn!(post = %post.id, version, %error, "an earlier text could not be moved apart");
    }
}

async fn moved(store: &MongoStore, post: PostId, version: i64) -> mongodb::error::Result<()> {
    let inside = format!("revisions.{version}");
    let id = object_id(post);
    let found = within(
        store
            .posts()
            .find_one(doc! { "_id": id })
            .projection(doc! { &inside: 1 }),
    )
    .await?;
    let text = found.and_then(|found| {
        let revisions = found.get_document("revisions").ok()?;
        revisions.get_document(version.to_string()).ok().cloned()
    });
    let Some(mut text) = text else {
        return Ok(());
    };
    text.extend(doc! { "_id": format!("{post}:{version}"), "post": id, "version": version });
    let apart = store.relaxed(APART);
    unless_duplicate(within(apart.insert_one(&text)).await)?;
    // While its texts are kept. They may have been dropped meanwhile: then this one has to go as well.
    let kept = doc! {
        "_id": id,
        "$or": [{ "state": state::PUBLISHED }, { "text_until": { "$exists": true } }],
    };
    let kept = within(
        store
            .posts()
            .update_one(kept, doc! { "$unset": { inside: "" } }),
    )
    .await?;
    if kept.matched_count == 0 {
        within(apart.delete_many(doc! { "post": id })).await?;
    }
    Ok(())
}

/// Drops the texts apart of a post whose texts are gone. The post is deleted: what a failure leaves is swept.
pub(super) async fn drop_apart(store: &MongoStore, post: PostId) {
    let apart = store.mongo().database.collection::<Document>(APART);
    if let Err(error) = within(apart.delete_many(doc! { "post": object_id(post) })).await {
        tracing::warn!(%post, %error, "earlier texts of a deleted post are left to the sweeper");
    }
}

/// Drops texts apart of posts that have no text any more: what was cut off between the deletion and [`drop_apart`].
pub(super) async fn sweep(store: &MongoStore) -> mongodb::error::Result<u64> {
    let apart = store.mongo().database.collection::<Document>(APART);
    let posts: Vec<ObjectId> = within_long(apart.distinct("post", doc! {}))
        .await?
        .iter()
        .filter_map(Bson::as_object_id)
        .collect();
    let mut swept = 0;
    for some in posts.chunks(500) {
        let gone = doc! {
            "_id": { "$in": some },
            "state": state::DELETED,
            "text_until": { "$exists": false },
        };
        let found: Vec<Document> = within(async {
            store
                .posts()
                .find(gone)
                .projection(doc! { "_id": 1 })
                .await?
                .try_collect()
                .await
        })
        .await?;
        let gone: Vec<ObjectId> = found
            .iter()
            .filter_map(|document| document.get_object_id("_id").ok())
            .collect();
        if !gone.is_empty() {
            let dropped = within(apart.delete_many(doc! { "post": { "$in": gone } })).await?;
            swept += dropped.deleted_count;
        }
    }
    Ok(swept)
}
