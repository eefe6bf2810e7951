//! Changing and ending a post. The version it was read at is part of the statement, so that of two who read the same one
//! wins, on either database.

use backends::db::Tx;
use backends::{audit, outbox};
use contracts::PostId;
use contracts::events::PostEvent;
use sqlx::types::Json;

use super::SqlStore;
use super::publish::insert_keys;
use super::rows::key_list;
use crate::error::Error;
use crate::model::Post;
use crate::store::keys::keys;
use crate::store::{Edit, Removal, changes};

pub(super) async fn edit(store: &SqlStore, read: &Post, edit: Edit) -> Result<Option<Post>, Error> {
    let post = changes::edited(read, &edit, store.clock.now());
    let mut tx = store.db.begin().await?;
    let changed = tx
        .query(
            "UPDATE posts SET title = $3, content = $4, tags = $5, audience = $6, version = version + 1, updated_at = $7, edited_at = $7, \
             edited_by = $8, moderation = $9 WHERE id = $1 AND version = $2 AND state = 'published'",
        )
        .bind(read.id.0.to_vec())
        .bind(read.version)
        .bind(post.title.clone())
        .bind(post.content.clone())
        .bind(Json(post.tags.clone()))
        .bind(Json(post.audience.clone()))
        .bind(post.updated_at)
        .bind(post.edited_by.0)
        .bind(post.moderation.clone().map(Json))
        .execute()
        .await?;
    if changed == 0 {
        tx.rollback().await?;
        return Ok(None);
    }
    keep_revision(&mut tx, read).await?;
    let (had, has) = (keys(read), keys(&post));
    delete_keys(
        &mut tx,
        read,
        had.iter()
            .filter(|key| !has.contains(key))
            .cloned()
            .collect(),
    )
    .await?;
    insert_keys(
        &mut tx,
        &post,
        &has.into_iter()
            .filter(|key| !had.contains(key))
            .collect::<Vec<_>>(),
    )
    .await?;
    let event = PostEvent::state(&post.state(), store.ids.uuid(), post.updated_at);
    outbox::put(&mut tx, &event).await?;
    if let Some(entry) = changes::edit_entry(read, &edit, &post, &*store.ids) {
        audit::put(&mut tx, entry).await?;
    }
    tx.commit().await?;
    Ok(Some(post))
}

pub(super) async fn remove(store: &SqlStore, read: &Post, removal: Removal) -> Result<bool, Error> {
    let ended = changes::ended(read, &removal, store.clock.now());
    let keep_text = ended.text_until.is_some();
    let mut tx = store.db.begin().await?;
    let sql = if keep_text {
        "UPDATE posts SET state = 'deleted', version = version + 1, updated_at = $3, deleted_at = $3, text_until = $4 \
         WHERE id = $1 AND version = $2 AND state = 'published'"
    } else {
        "UPDATE posts SET state = 'deleted', version = version + 1, updated_at = $3, deleted_at = $3, text_until = $4, \
         title = '', content = '', tags = '[]', moderation = NULL WHERE id = $1 AND version = $2 AND state = 'published'"
    };
    let changed = tx
        .query(sql)
        .bind(read.id.0.to_vec())
        .bind(read.version)
        .bind(ended.at)
        .bind(ended.text_until)
        .execute()
        .await?;
    if changed == 0 {
        tx.rollback().await?;
        return Ok(false);
    }
    if !keep_text {
        delete_revisions(&mut tx, read.id).await?;
    }
    delete_keys(&mut tx, read, keys(read)).await?;
    let event = PostEvent::deleted(&ended.event, store.ids.uuid(), ended.at);
    outbox::put(&mut tx, &event).await?;
    let entry = changes::removal_entry(read, &removal, &ended, &*store.ids);
    audit::put(&mut tx, entry).await?;
    tx.commit().await?;
    Ok(true)
}

async fn keep_revision(tx: &mut Tx, read: &Post) -> Result<(), Error> {
    tx.query(
        "INSERT INTO post_revisions (post_id, version, title, content, tags, audience, edited_by, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(read.id.0.to_vec())
    .bind(read.version)
    .bind(read.title.clone())
    .bind(read.content.clone())
    .bind(Json(read.tags.clone()))
    .bind(Json(read.audience.clone()))
    .bind(read.edited_by.0)
    .bind(read.updated_at)
    .execute()
    .await?;
    Ok(())
}

async fn delete_keys(tx: &mut Tx, post: &Post, keys: Vec<String>) -> Result<(), Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "DELETE FROM post_keys WHERE published_at = $1 AND post_id = $2 AND key IN ({})",
        key_list(keys.len())
    );
    let query = tx
        .query(sqlx::AssertSqlSafe(sql))
        .bind(post.published_at)
        .bind(post.id.0.to_vec());
    keys.into_iter()
        .fold(query, backends::db::Query::bind)
        .execute()
        .await?;
    Ok(())
}

async fn delete_revisions(tx: &mut Tx, post: PostId) -> Result<(), Error> {
    tx.query("DELETE FROM post_revisions WHERE post_id = $1")
        .bind(post.0.to_vec())
        .execute()
        .await?;
    Ok(())
}
