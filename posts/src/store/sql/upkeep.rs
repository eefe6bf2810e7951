//! What time and other services demand of posts.

use backends::{audit, outbox};
use chrono::{DateTime, Utc};
use contracts::UserId;
use contracts::events::PostEvent;

use super::SqlStore;
use super::rows::{COLUMNS, Row};
use crate::error::Error;
use crate::model::{FORMER_MEMBER, Post};
use crate::store::changes;
use crate::store::keys::author_key;

/// Deleted texts dropped in one transaction: other writers wait for as long.
const BATCH: i64 = 200;

pub(super) async fn forget_author(
    store: &SqlStore,
    user: UserId,
    limit: u32,
) -> Result<u32, Error> {
    let now = store.clock.now();
    let sql = format!(
        "SELECT {COLUMNS} FROM post_keys AS k JOIN posts ON posts.id = k.post_id WHERE k.key = $1 AND posts.username <> $2 \
         ORDER BY k.published_at LIMIT $3"
    );
    let mut tx = store.db.begin().await?;
    let rows: Vec<Row> = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(author_key(user))
        .bind(FORMER_MEMBER)
        .bind(i64::from(limit))
        .all()
        .await?;
    let found = rows.len() as u32;
    for row in rows {
        let read = Post::try_from(row)?;
        let post = changes::forgotten(&read, now);
        let changed = tx
            .query("UPDATE posts SET username = $3, version = version + 1, updated_at = $4 WHERE id = $1 AND version = $2 AND state = 'published'")
            .bind(post.id.0.to_vec())
            .bind(read.version)
            .bind(FORMER_MEMBER)
            .bind(post.updated_at)
            .execute()
            .await?;
        // One that is edited at this moment is found again by the next call.
        if changed == 1 {
            outbox::put(
                &mut tx,
                &PostEvent::state(&post.state(), store.ids.uuid(), post.updated_at),
            )
            .await?;
        }
    }
    tx.commit().await?;
    Ok(found)
}

pub(super) async fn drop_texts(store: &SqlStore, now: DateTime<Utc>) -> Result<u64, Error> {
    let mut dropped = 0;
    loop {
        let mut tx = store.db.begin().await?;
        let posts: Vec<(Vec<u8>,)> = tx
            .query(
                "UPDATE posts SET title = '', content = '', tags = '[]', moderation = NULL, text_until = NULL \
                 WHERE id IN (SELECT id FROM posts WHERE text_until <= $1 ORDER BY text_until LIMIT $2) RETURNING id",
            )
            .bind(now)
            .bind(BATCH)
            .all()
            .await?;
        if posts.is_empty() {
            tx.rollback().await?;
            return Ok(dropped);
        }
        for (id,) in &posts {
            tx.query("DELETE FROM post_revisions WHERE post_id = $1")
                .bind(id.clone())
                .execute()
                .await?;
        }
        let entry = changes::retention_entry(posts.len(), now, &*store.ids);
        audit::put(&mut tx, entry).await?;
        tx.commit().await?;
        dropped += posts.len() as u64;
    }
}
