//! What time and other services demand of posts.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::UserId;
use futures_util::TryStreamExt;
use kit::service::Worker;
use mongodb::bson::{Document, doc};
use tokio::time::{interval, sleep};

use super::documents::{self, read_published, state};
use super::edit::{drop_text, made, put_state};
use super::error::{kind_of, unreadable, within, within_long};
use super::statements::Change;
use super::{MongoStore, audit, idempotency, revisions};
use crate::error::Error;
use crate::model::FORMER_MEMBER;
use crate::store::changes;
use crate::store::keys::author_key;

/// Documents looked for at once.
const BATCH: i64 = 200;
/// How long a post may wait for its turn. A request ends in seconds; what is older was left by somebody who died.
const ABANDONED: TimeDelta = TimeDelta::hours(1);
/// How often a store that is away is asked again.
const AGAIN: Duration = Duration::from_secs(1);
const HOURLY: Duration = Duration::from_secs(3600);

pub(super) async fn forget_author(
    store: &MongoStore,
    user: UserId,
    limit: u32,
) -> Result<u32, Error> {
    let named = doc! { "keys": author_key(user), "username": { "$ne": FORMER_MEMBER } };
    let found: Vec<Document> = within(async {
        store
            .posts()
            .find(named)
            .projection(documents::without_cargo())
            .sort(doc! { "published_at": 1, "_id": 1 })
            .limit(i64::from(limit))
            .await?
            .try_collect()
            .await
    })
    .await?;
    let count = found.len() as u32;
    for document in found {
        let read = read_published(document)?;
        let post = changes::forgotten(&read, store.clock().now());
        let mut change = Change {
            set: doc! {
                "username": &post.username,
                "version": post.version,
                "updated_at": post.updated_at.timestamp_micros(),
            },
            ..Change::default()
        };
        put_state(store, &mut change, &post)?;
        // One that is edited at this moment is found again by the next call.
        made(store, &read, change).await?;
    }
    Ok(count)
}

/// Each text goes with an entry of its own: a document and its entry are one write, several documents are not.
pub(super) async fn drop_texts(store: &MongoStore, now: DateTime<Utc>) -> Result<u64, Error> {
    let due = doc! { "text_until": { "$lte": now.timestamp_micros() } };
    let mut dropped = 0;
    loop {
        let found: Vec<Document> = within(async {
            store
                .posts()
                .find(due.clone())
                .projection(doc! { "_id": 1 })
                .sort(doc! { "text_until": 1 })
                .limit(BATCH)
                .await?
                .try_collect()
                .await
        })
        .await?;
        if found.is_empty() {
            return Ok(dropped);
        }
        for document in found {
            let id = document
                .get_object_id("_id")
                .map_err(|_| unreadable("_id"))?;
            let mut change = Change::default();
            drop_text(&mut change);
            let entry = changes::retention_entry(1, now, store.ids());
            audit::put(&mut change, entry, store.ids())?;
            let mut still_due = due.clone();
            still_due.insert("_id", id);
            let update = change.document();
            let made = within(store.posts().update_one(still_due, update)).await?;
            if made.matched_count > 0 {
                store.tell_audit();
                dropped += 1;
                revisions::drop_apart(store, documents::post_id(id)).await;
            }
        }
    }
}

/// Makes the store ready as soon as it answers, and sweeps at start and every hour what requests that died left behind.
pub(super) fn keeper(store: MongoStore) -> Worker {
    Worker::new("posts-keeper", move |stop| async move {
        stop.run_until_cancelled(async {
            while let Err(error) = store.prepared().await {
                tracing::debug!(%error, "the store is not ready yet");
                sleep(AGAIN).await;
            }
            let mut hourly = interval(HOURLY);
            loop {
                hourly.tick().await;
                if let Err(error) = sweep(&store).await {
                    tracing::warn!(%error, "what was left behind could not be swept");
                }
            }
        })
        .await;
        Ok(())
    })
}

/// Sweeps keys that have run out, posts whose turn never came, and earlier texts of posts that have none.
pub(super) async fn sweep(store: &MongoStore) -> Result<(), backends::db::Error> {
    idempotency::sweep(store).await?;
    let before = (store.clock().now() - ABANDONED).timestamp_micros();
    let abandoned = doc! { "state": state::PENDING, "published_at": { "$lte": before } };
    within_long(store.posts().delete_many(abandoned))
        .await
        .map_err(kind_of)?;
    revisions::sweep(store).await.map_err(kind_of)?;
    Ok(())
}
