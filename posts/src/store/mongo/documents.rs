//! How a post stands in its document.
//!
//! Beside the fields here a document may carry `outbox` and `audit` (what waits for the relay and the chainer) and `revisions`
//! (its last earlier texts by their version). Times are whole microseconds since 1970: a date of the database knows
//! milliseconds only, and the order of the lists needs more.

use chrono::{DateTime, Utc};
use contracts::clients::{ExportRow, Tombstone};
use contracts::{Audience, PostId, UserId};
use kit::page::Cursor;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, deserialize_from_document, doc, serialize_to_document};
use serde::{Deserialize, Serialize};

use super::error::unreadable;
use crate::error::Error;
use crate::model::{Moderation, Post};

/// The states of a document.
pub(super) mod state {
    /// Written, and its turn to be published has not come: it is in no list, and nobody was told of it.
    pub(crate) const PENDING: &str = "pending";
    /// To be read.
    pub(crate) const PUBLISHED: &str = crate::model::PUBLISHED;
    /// The tombstone, which stays.
    pub(crate) const DELETED: &str = "deleted";
}

/// The fields of a document that make the post.
#[derive(Debug, Serialize, Deserialize)]
struct Fields {
    #[serde(rename = "_id")]
    id: ObjectId,
    state: String,
    user_id: i64,
    username: String,
    author_role: String,
    title: String,
    content: String,
    tags: Vec<String>,
    audience: Vec<Audience>,
    version: i64,
    created_at: i64,
    updated_at: i64,
    published_at: i64,
    edited_at: Option<i64>,
    edited_by: i64,
    moderation: Option<Moderation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<i64>,
}

/// What a document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// It waits for its turn.
    Pending(Box<Post>),
    /// It is to be read.
    Published(Box<Post>),
    /// It is gone.
    Deleted(Gone),
}

/// A tombstone and the place its post had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) tombstone: Tombstone,
    pub(super) published_at: DateTime<Utc>,
}

/// Leaves out what carries no field of the post, so that an index alone need not answer, but the network carries less.
pub(super) fn without_cargo() -> Document {
    doc! { "outbox": 0, "audit": 0, "revisions": 0, "keys": 0 }
}

/// The document of a post that waits for its turn.
pub(super) fn pending(post: &Post) -> Result<Document, Error> {
    let fields = Fields {
        id: object_id(post.id),
        state: state::PENDING.to_owned(),
        user_id: post.user_id.0,
        username: post.username.clone(),
        author_role: post.author_role.name().to_owned(),
        title: post.title.clone(),
        content: post.content.clone(),
        tags: post.tags.clone(),
        audience: post.audience.clone(),
        version: post.version,
        created_at: post.created_at.timestamp_micros(),
        updated_at: post.updated_at.timestamp_micros(),
        published_at: post.published_at.timestamp_micros(),
        edited_at: post.edited_at.map(|at| at.timestamp_micros()),
        edited_by: post.edited_by.0,
        moderation: post.moderation.clone(),
        deleted_at: None,
    };
    serialize_to_document(&fields)
        .map_err(|error| Error::Store(backends::db::Error::Other(error.into())))
}

/// Reads a document.
pub(super) fn read(document: Document) -> Result<Stands, Error> {
    let fields: Fields = deserialize_from_document(document)
        .map_err(|error| Error::Store(backends::db::Error::Other(error.into())))?;
    let id = post_id(fields.id);
    let published_at = time(fields.published_at)?;
    if fields.state == state::DELETED {
        let deleted_at = fields.deleted_at.ok_or_else(|| unreadable("deleted_at"))?;
        let tombstone = Tombstone {
            id,
            version: fields.version,
            deleted_at: time(deleted_at)?,
        };
        return Ok(Stands::Deleted(Gone {
            tombstone,
            published_at,
        }));
    }
    let post = Post {
        id,
        user_id: UserId(fields.user_id),
        username: fields.username,
        author_role: fields
            .author_role
            .parse()
            .map_err(|_| unreadable("author_role"))?,
        title: fields.title,
        content: fields.content,
        tags: fields.tags,
        audience: fields.audience,
        version: fields.version,
        created_at: time(fields.created_at)?,
        updated_at: time(fields.updated_at)?,
        published_at,
        edited_at: fields.edited_at.map(time).transpose()?,
        edited_by: UserId(fields.edited_by),
        moderation: fields.moderation,
    };
    match fields.state.as_str() {
        state::PENDING => Ok(Stands::Pending(Box::new(post))),
        state::PUBLISHED => Ok(Stands::Published(Box::new(post))),
        _ => Err(unreadable("state").into()),
    }
}

/// A document that was asked for as published.
pub(super) fn read_published(document: Document) -> Result<Post, Error> {
    match read(document)? {
        Stands::Published(post) => Ok(*post),
        _ => Err(unreadable("state").into()),
    }
}

impl Stands {
    /// The row of an export and its place; nothing of a post that is not published yet.
    pub(super) fn exported(self) -> Option<(ExportRow, Cursor)> {
        match self {
            Self::Pending(_) => None,
            Self::Published(post) => Some((
                ExportRow::Post(post.state()),
                Cursor {
                    at: post.published_at,
                    id: post.id.0.to_vec(),
                },
            )),
            Self::Deleted(gone) => Some((
                ExportRow::Tombstone(gone.tombstone.clone()),
                Cursor {
                    at: gone.tombstone.deleted_at,
                    id: gone.tombstone.id.0.to_vec(),
                },
            )),
        }
    }
}

pub(super) fn object_id(id: PostId) -> ObjectId {
    ObjectId::from_bytes(id.0)
}

pub(super) fn post_id(id: ObjectId) -> PostId {
    PostId(id.bytes())
}

/// The time in a field.
pub(super) fn time(micros: i64) -> Result<DateTime<Utc>, backends::db::Error> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| unreadable("a time"))
}
