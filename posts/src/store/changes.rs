//! What a change makes of a post and what is written down about it, whichever store keeps it.

use backends::audit::Entry;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::{DeleteReason, PostDeleted};
use contracts::{PostId, Role};
use kit::ids::Ids;
use serde_json::{Value, json};

use super::{Actor, Edit, NewPost, Removal};
use crate::model::{FORMER_MEMBER, Post};

/// How long a pupil's deleted text is kept for safeguarding (rule 12).
const KEPT: TimeDelta = TimeDelta::days(90);

/// A new post as it is published.
pub(super) fn published(new: NewPost, id: PostId, at: DateTime<Utc>) -> Post {
    Post {
        id,
        user_id: new.user_id,
        username: new.username,
        author_role: new.author_role,
        title: new.title,
        content: new.content,
        tags: new.tags,
        audience: new.audience,
        version: 1,
        created_at: at,
        updated_at: at,
        published_at: at,
        edited_at: None,
        edited_by: new.user_id,
        moderation: None,
    }
}

/// The post after an edit.
pub(super) fn edited(read: &Post, edit: &Edit, now: DateTime<Utc>) -> Post {
    let at = now.max(read.updated_at);
    let text = edit.text.clone();
    Post {
        moderation: edit.moderation(at).or_else(|| read.moderation.clone()),
        title: text.title,
        content: text.content,
        tags: text.tags,
        audience: text.audience,
        version: read.version + 1,
        updated_at: at,
        edited_at: Some(at),
        edited_by: edit.actor.user,
        ..read.clone()
    }
}

/// What the audit says of an edit: nothing of an author's own.
pub(super) fn edit_entry<'a>(
    read: &Post,
    edit: &Edit,
    post: &Post,
    ids: &'a dyn Ids,
) -> Option<Entry<'a>> {
    let reason = edit.reason.as_ref()?;
    let after = json!({"version": post.version, "audience": post.audience, "reason": reason});
    Some(entry(
        &edit.actor,
        "post.edited",
        read,
        after,
        post.updated_at,
        ids,
    ))
}

/// The end of a post.
pub(super) struct Ended {
    /// When.
    pub(super) at: DateTime<Utc>,
    /// Until when its text is kept; `None`: it goes at once.
    pub(super) text_until: Option<DateTime<Utc>>,
    /// What others are told.
    pub(super) event: PostDeleted,
}

/// The end of a post.
pub(super) fn ended(read: &Post, removal: &Removal, now: DateTime<Utc>) -> Ended {
    let at = now.max(read.updated_at);
    let keep_text = read.author_role == Role::Student && removal.ground != DeleteReason::Erasure;
    Ended {
        at,
        text_until: keep_text.then(|| at + KEPT),
        event: PostDeleted {
            post_id: read.id,
            user_id: read.user_id,
            version: read.version + 1,
            reason: removal.ground,
        },
    }
}

/// What the audit says of an end.
pub(super) fn removal_entry<'a>(
    read: &Post,
    removal: &Removal,
    ended: &Ended,
    ids: &'a dyn Ids,
) -> Entry<'a> {
    let after = json!({
        "version": ended.event.version,
        "ground": removal.ground,
        "reason": removal.reason,
    });
    entry(&removal.actor, "post.deleted", read, after, ended.at, ids)
}

/// The post after its author's account is gone.
pub(super) fn forgotten(read: &Post, now: DateTime<Utc>) -> Post {
    Post {
        username: FORMER_MEMBER.to_owned(),
        version: read.version + 1,
        updated_at: now.max(read.updated_at),
        ..read.clone()
    }
}

/// What the audit says of texts whose time was over: what retention removes is written down, with its count
/// (spec/privacy-audit.md rule 14).
pub(super) fn retention_entry(texts: usize, now: DateTime<Utc>, ids: &dyn Ids) -> Entry<'_> {
    Entry {
        after: Some(json!({ "texts": texts })),
        ..Entry::of("retention.applied", "posts:deleted_texts", now, ids)
    }
}

/// What is written down never holds the text. The reason is a person's own words, which may name somebody: it is kept where
/// it can be erased (spec/privacy-audit.md rule 6).
fn entry<'a>(
    actor: &Actor,
    action: &'a str,
    read: &Post,
    after: Value,
    at: DateTime<Utc>,
    ids: &'a dyn Ids,
) -> Entry<'a> {
    Entry {
        actor: Some(actor.user.0),
        before: Some(
            json!({"version": read.version, "author": read.user_id, "audience": read.audience}),
        ),
        after: Some(after),
        from: actor.from.clone(),
        request_id: actor.request_id.clone(),
        ..Entry::of(action, format!("post:{}", read.id), at, ids)
    }
}
