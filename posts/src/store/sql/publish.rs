//! Publishing: the one write that many do at once, so it is as few statements as it can be.

use backends::db::Tx;
use backends::idempotency::{self, Outcome};
use backends::outbox;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::PostId;
use contracts::events::PostEvent;
use sqlx::types::Json;

use super::rows::key_rows;
use super::{SqlStore, page};
use crate::error::Error;
use crate::model::{PUBLISHED, Post};
use crate::store::keys::keys;
use crate::store::{NewPost, Once, changes};

/// How the time of a post is come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Above every time this process knows of; nothing is written if that is not above every post.
    Guessed,
    /// Asked of the store, which lets nobody else have one until the transaction ends.
    Taken,
}

/// One round trip on PostgreSQL, where no other process publishes at the same moment and the request has no key of its own.
pub(super) async fn publish(
    store: &SqlStore,
    new: NewPost,
    once: Option<Once>,
) -> Result<Post, Error> {
    match attempt(store, new.clone(), once.as_ref(), Turn::Guessed).await {
        Err(Error::Store(backends::db::Error::Unmet)) => {
            attempt(store, new, once.as_ref(), Turn::Taken).await
        }
        done => done,
    }
}

async fn attempt(
    store: &SqlStore,
    new: NewPost,
    once: Option<&Once>,
    turn: Turn,
) -> Result<Post, Error> {
    let owner = format!("user:{}", new.user_id);
    let mut tx = store.db.begin().await?;
    if let Some(once) = once {
        match idempotency::begin(&mut tx, &owner, &once.key, &once.request, store.clock.now())
            .await?
        {
            Outcome::Fresh => {}
            Outcome::Replay(id) => {
                tx.rollback().await?;
                return replay(store, &id).await;
            }
            Outcome::Mismatch => return Err(Error::Problem(idempotency::mismatch())),
        }
    }
    let id = PostId(store.ids.object_id());
    let now = store.clock.now();
    // Held until the commit: a guess is right if those of this process go in their order.
    let (at, latest) = match turn {
        Turn::Guessed => {
            let mut latest = store.latest.lock().await;
            let at = now.max(*latest + TimeDelta::microseconds(1));
            *latest = at;
            guess(&mut tx, at).await?;
            (at, Some(latest))
        }
        Turn::Taken => (next_time(&mut tx, now).await?, None),
    };
    let post = changes::published(new, id, at);
    insert(&mut tx, &post).await?;
    insert_keys(&mut tx, &post, &keys(&post)).await?;
    outbox::put(
        &mut tx,
        &PostEvent::state(&post.state(), store.ids.uuid(), at),
    )
    .await?;
    if let Some(once) = once {
        idempotency::finish(&mut tx, &owner, &once.key, &id.to_string()).await?;
    }
    tx.commit().await?;
    if latest.is_none() {
        let mut latest = store.latest.lock().await;
        *latest = at.max(*latest);
    }
    Ok(post)
}

/// The post of a repeated request, as it stands: what the first answer said may have been edited since, and a deleted text
/// must not come back from a copy kept for repetition.
async fn replay(store: &SqlStore, id: &str) -> Result<Post, Error> {
    // The first request may have committed without being on disk yet.
    store.db.synced().await?;
    let id = id.parse().map_err(|_| Error::NotFound)?;
    page::find(&store.db, id, None)
        .await?
        .ok_or(Error::NotFound)
}

/// Writes nothing of the transaction unless this time is above that of every post; it is this transaction's until it ends.
async fn guess(tx: &mut Tx, at: DateTime<Utc>) -> Result<(), Error> {
    tx.condition("UPDATE post_clock SET latest = $1 WHERE id = 1 AND latest < $1")
        .bind(at.timestamp_micros())
        .put_off()
        .await?;
    Ok(())
}

/// A time above that of every post, from now on this transaction's until it ends.
async fn next_time(tx: &mut Tx, now: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    let latest: i64 = tx
        .query("UPDATE post_clock SET latest = CASE WHEN latest < $1 THEN $1 ELSE latest + 1 END WHERE id = 1 RETURNING latest")
        .bind(now.timestamp_micros())
        .scalar()
        .await?;
    Ok(now + TimeDelta::microseconds(latest - now.timestamp_micros()))
}

async fn insert(tx: &mut Tx, post: &Post) -> Result<(), Error> {
    tx.later(
        "INSERT INTO posts (id, user_id, username, author_role, title, content, tags, audience, state, version, created_at, updated_at, \
         published_at, edited_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $11, $2)",
    )
    .bind(post.id.0.to_vec())
    .bind(post.user_id.0)
    .bind(post.username.clone())
    .bind(post.author_role.name())
    .bind(post.title.clone())
    .bind(post.content.clone())
    .bind(Json(post.tags.clone()))
    .bind(Json(post.audience.clone()))
    .bind(PUBLISHED)
    .bind(post.version)
    .bind(post.published_at)
    .put_off()
    .await?;
    Ok(())
}

/// Makes the post found under the keys.
pub(super) async fn insert_keys(tx: &mut Tx, post: &Post, keys: &[String]) -> Result<(), Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO post_keys (key, published_at, post_id) VALUES {}",
        key_rows(keys.len())
    );
    let mut query = tx
        .later(sqlx::AssertSqlSafe(sql))
        .bind(post.published_at)
        .bind(post.id.0.to_vec());
    for key in keys {
        query = query.bind(key.clone());
    }
    query.put_off().await?;
    Ok(())
}
