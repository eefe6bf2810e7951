//! How a post stands in its row.

use chrono::{DateTime, Utc};
use contracts::{Audience, PostId, UserId};
use sqlx::types::Json;

use crate::error::Error;
use crate::model::{Moderation, Post};

/// The columns of a [`Row`], of the table `posts`.
pub(super) const COLUMNS: &str = "posts.id, posts.user_id, posts.username, posts.author_role, posts.title, posts.content, posts.tags, \
     posts.audience, posts.version, posts.created_at, posts.updated_at, posts.published_at, posts.edited_at, posts.edited_by, \
     posts.moderation";

/// A published post as the database returns it.
#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: Vec<u8>,
    user_id: i64,
    username: String,
    author_role: String,
    title: String,
    content: String,
    tags: Json<Vec<String>>,
    audience: Json<Vec<Audience>>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    published_at: DateTime<Utc>,
    edited_at: Option<DateTime<Utc>>,
    edited_by: i64,
    moderation: Option<Json<Moderation>>,
}

impl TryFrom<Row> for Post {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: id(&row.id)?,
            user_id: UserId(row.user_id),
            username: row.username,
            author_role: row
                .author_role
                .parse()
                .map_err(|_| unreadable("author_role"))?,
            title: row.title,
            content: row.content,
            tags: row.tags.0,
            audience: row.audience.0,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            published_at: row.published_at,
            edited_at: row.edited_at,
            edited_by: UserId(row.edited_by),
            moderation: row.moderation.map(|moderation| moderation.0),
        })
    }
}

/// The identity in a column.
pub(super) fn id(bytes: &[u8]) -> Result<PostId, Error> {
    bytes.try_into().map(PostId).map_err(|_| unreadable("id"))
}

fn unreadable(column: &str) -> Error {
    Error::Problem(kit::problem::Problem::internal(anyhow::anyhow!(
        "the column posts.{column} cannot be read"
    )))
}

/// `$3,$4..`: a list of keys bound from `$3` on.
pub(super) fn key_list(count: usize) -> String {
    (0..count)
        .map(|i| format!("${}", i + 3))
        .collect::<Vec<_>>()
        .join(",")
}

/// `($3,$1,$2),($4,$1,$2)..`: rows of (key, published_at, post_id), the keys bound from `$3` on.
pub(super) fn key_rows(count: usize) -> String {
    (0..count)
        .map(|i| format!("(${},$1,$2)", i + 3))
        .collect::<Vec<_>>()
        .join(",")
}
