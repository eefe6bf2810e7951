//! Changing and ending a post: one write each, with its earlier text, its event and its audit entry. The version it was read at
//! is part of the write, so that of two who read the same one wins.

use contracts::events::PostEvent;
use mongodb::bson::{Document, doc, serialize_to_bson};

use super::carried::AUDIT;
use super::documents::{object_id, state};
use super::error::{unreadable, within};
use super::statements::Change;
use super::{MongoStore, audit, outbox, revisions};
use crate::error::Error;
use crate::model::Post;
use crate::store::keys::keys;
use crate::store::{Edit, Removal, changes};

pub(super) async fn edit(
    store: &MongoStore,
    read: &Post,
    edit: Edit,
) -> Result<Option<Post>, Error> {
    let post = changes::edited(read, &edit, store.clock().now());
    let mut change = Change {
        set: doc! {
            "title": &post.title,
            "content": &post.content,
            "tags": &post.tags,
            "audience": post.audience.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "keys": keys(&post),
            "version": post.version,
            "updated_at": post.updated_at.timestamp_micros(),
            "edited_at": post.edited_at.map(|at| at.timestamp_micros()),
            "edited_by": post.edited_by.0,
            "moderation": serialize_to_bson(&post.moderation).map_err(|_| unreadable("moderation"))?,
        },
        ..Change::default()
    };
    revisions::put(&mut change, read);
    put_state(store, &mut change, &post)?;
    if let Some(entry) = changes::edit_entry(read, &edit, &post, store.ids()) {
        audit::put(&mut change, entry, store.ids())?;
    }
    if !made(store, read, change).await? {
        return Ok(None);
    }
    revisions::move_apart(store, &post).await;
    Ok(Some(post))
}

pub(super) async fn remove(
    store: &MongoStore,
    read: &Post,
    removal: Removal,
) -> Result<bool, Error> {
    let ended = changes::ended(read, &removal, store.clock().now());
    let at = ended.at.timestamp_micros();
    let mut change = Change {
        set: doc! {
            "state": state::DELETED,
            "version": ended.event.version,
            "updated_at": at,
            "deleted_at": at,
        },
        unset: doc! { "keys": "" },
        ..Change::default()
    };
    match ended.text_until {
        Some(until) => {
            change.set.insert("text_until", until.timestamp_micros());
        }
        None => drop_text(&mut change),
    }
    outbox::put(
        &mut change,
        PostEvent::deleted(&ended.event, store.ids().uuid(), ended.at),
    )?;
    let entry = changes::removal_entry(read, &removal, &ended, store.ids());
    audit::put(&mut change, entry, store.ids())?;
    if !made(store, read, change).await? {
        return Ok(false);
    }
    if ended.text_until.is_none() {
        revisions::drop_apart(store, read.id).await;
    }
    Ok(true)
}

/// Takes everything off a document that somebody wrote.
pub(super) fn drop_text(change: &mut Change) {
    change.set.extend(doc! {
        "title": "",
        "content": "",
        "tags": Vec::<String>::new(),
        "moderation": null,
    });
    change
        .unset
        .extend(doc! { "revisions": "", "text_until": "" });
}

/// Adds the event that says how the post stands.
pub(super) fn put_state(
    store: &MongoStore,
    change: &mut Change,
    post: &Post,
) -> Result<(), backends::db::Error> {
    let event = PostEvent::state(&post.state(), store.ids().uuid(), post.updated_at);
    outbox::put(change, event)
}

/// Makes the change if the post still is as it was read, durably, and wakes the workers.
pub(super) async fn made(store: &MongoStore, read: &Post, change: Change) -> Result<bool, Error> {
    let audited = AUDIT.is_in(&change);
    let update = change.document();
    let made = within(store.posts().update_one(as_read(read), update)).await?;
    if made.matched_count == 0 {
        return Ok(false);
    }
    store.tell_outbox();
    if audited {
        store.tell_audit();
    }
    Ok(true)
}

fn as_read(read: &Post) -> Document {
    doc! { "_id": object_id(read.id), "version": read.version, "state": state::PUBLISHED }
}
