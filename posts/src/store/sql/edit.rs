//! Changing and ending a post. The version it was read at is part of the statement, so that of two who read the same one
//! wins, on either database.

use backends::audit::{self, Entry};
use backends::db::Tx;
use backends::outbox;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::{DeleteReason, PostDeleted, PostEvent};
use contracts::{PostId, Role};
use serde_json::{Value, json};
use sqlx::types::Json;

use super::SqlStore;
use super::publish::insert_keys;
use super::rows::{key_list, keys};
use crate::error::Error;
use crate::model::Post;
use crate::store::{Actor, Edit, Removal};

/// How long a pupil's deleted text is kept for safeguarding (rule 12).
const KEPT: TimeDelta = TimeDelta::days(90);

pub(super) async fn edit(store: &SqlStore, read: &Post, edit: Edit) -> Result<Option<Post>, Error> {
    let at = store.clock.now().max(read.updated_at);
    let post = Post {
        moderation: edit.moderation(at).or_else(|| read.moderation.clone()),
        title: edit.text.title,
        content: edit.text.content,
        tags: edit.text.tags,
        audience: edit.text.audience,
        version: read.version + 1,
        updated_at: at,
        edited_at: Some(at),
        edited_by: edit.actor.user,
        ..read.clone()
    };
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
        .bind(at)
        .bind(post.edited_by.0)
        .bind(post.moderation.clone().map(Json))
        .execute()
        .await?;
    if changed == 0 {
        tx.rollback().await?;
        return Ok(None);
    }
    keep_revision(&mut tx, read).await?;
    let (had, has) = (
        keys(read.user_id, &read.tags, &read.audience),
        keys(post.user_id, &post.tags, &post.audience),
    );
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
    outbox::put(
        &mut tx,
        &PostEvent::state(&post.state(), store.ids.uuid(), at),
    )
    .await?;
    if let Some(reason) = edit.reason {
        let after = json!({"version": post.version, "audience": post.audience, "reason": reason});
        put_audit(store, &mut tx, &edit.actor, "post.edited", read, after, at).await?;
    }
    tx.commit().await?;
    Ok(Some(post))
}

pub(super) async fn remove(store: &SqlStore, read: &Post, removal: Removal) -> Result<bool, Error> {
    let at = store.clock.now().max(read.updated_at);
    let keep_text = read.author_role == Role::Student && removal.ground != DeleteReason::Erasure;
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
        .bind(at)
        .bind(keep_text.then(|| at + KEPT))
        .execute()
        .await?;
    if changed == 0 {
        tx.rollback().await?;
        return Ok(false);
    }
    if !keep_text {
        delete_revisions(&mut tx, read.id).await?;
    }
    delete_keys(
        &mut tx,
        read,
        keys(read.user_id, &read.tags, &read.audience),
    )
    .await?;
    let gone = PostDeleted {
        post_id: read.id,
        user_id: read.user_id,
        version: read.version + 1,
        reason: removal.ground,
    };
    outbox::put(&mut tx, &PostEvent::deleted(&gone, store.ids.uuid(), at)).await?;
    let after =
        json!({"version": gone.version, "ground": removal.ground, "reason": removal.reason});
    put_audit(
        store,
        &mut tx,
        &removal.actor,
        "post.deleted",
        read,
        after,
        at,
    )
    .await?;
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

/// What is written down never holds the text. The reason is a person's own words, which may name somebody: it is kept where
/// it can be erased (spec/privacy-audit.md rule 6).
async fn put_audit(
    store: &SqlStore,
    tx: &mut Tx,
    actor: &Actor,
    action: &str,
    read: &Post,
    after: Value,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    let entry = Entry {
        actor: Some(actor.user.0),
        before: Some(
            json!({"version": read.version, "author": read.user_id, "audience": read.audience}),
        ),
        after: Some(after),
        from: actor.from.clone(),
        request_id: actor.request_id.clone(),
        ..Entry::of(action, format!("post:{}", read.id), at, &*store.ids)
    };
    Ok(audit::put(tx, entry).await?)
}
