//! What is sent and answered.

use chrono::{DateTime, Utc};
use contracts::{Audience, PostId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::model::{self, DELIVERY, Moderation, PUBLISHED};

/// A post. The first seven fields are never missing, renamed or null: clients of earlier systems know these.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Post)]
pub struct PostBody {
    /// 24 hex characters.
    id: PostId,
    /// The author.
    user_id: UserId,
    /// Plain text, one line.
    title: String,
    /// Clean HTML.
    content: String,
    /// In the author's order.
    tags: Vec<String>,
    /// When it was written.
    created_at: DateTime<Utc>,
    /// The last change of any kind.
    updated_at: DateTime<Utc>,
    /// The author's user name when it was written.
    username: String,
    /// `published`: the only state a post can be read in.
    state: &'static str,
    /// For whom.
    audience: Vec<Audience>,
    /// Its place in lists; edits keep it.
    published_at: DateTime<Utc>,
    /// No post waits for its time.
    publish_at: Option<DateTime<Utc>>,
    /// The last edit.
    edited_at: Option<DateTime<Utc>>,
    /// One more with every change; also the `ETag`.
    version: i64,
    /// No post has files.
    attachments: Vec<Uuid>,
    /// No post is pinned.
    pinned_until: Option<DateTime<Utc>>,
    /// `off`: no post takes comments.
    comments: &'static str,
    /// Comments the reader sees.
    comment_count: i64,
    /// `normal`: in the feed, counted and notified.
    delivery: &'static str,
    /// The last edit by somebody else than the author.
    moderation: Option<Moderation>,
}

impl From<model::Post> for PostBody {
    fn from(post: model::Post) -> Self {
        Self {
            id: post.id,
            user_id: post.user_id,
            title: post.title,
            content: post.content,
            tags: post.tags,
            created_at: post.created_at,
            updated_at: post.updated_at,
            username: post.username,
            state: PUBLISHED,
            audience: post.audience,
            published_at: post.published_at,
            publish_at: None,
            edited_at: post.edited_at,
            version: post.version,
            attachments: Vec::new(),
            pinned_until: None,
            comments: "off",
            comment_count: 0,
            delivery: DELIVERY,
            moderation: post.moderation,
        }
    }
}

/// A new post.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePost {
    /// 1 to 200 characters of plain text in one line.
    pub title: String,
    /// Up to 50,000 characters of HTML; what is not allowed is dropped.
    pub content: String,
    /// Up to 20 of 1 to 40 characters; trimmed and lower case.
    #[serde(default)]
    pub tags: Vec<String>,
    /// 1 to 20 keys the caller may write to; absent: the school's default.
    #[serde(default)]
    pub audience: Option<Vec<Audience>>,
}

/// What changes of a post; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePost {
    /// As in a new post.
    #[serde(default)]
    pub title: Option<String>,
    /// As in a new post.
    #[serde(default)]
    pub content: Option<String>,
    /// As in a new post.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    /// As in a new post.
    #[serde(default)]
    pub audience: Option<Vec<Audience>>,
    /// Why a moderator changes another's post; shown with it.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Done.
#[derive(Debug, Serialize, ToSchema)]
pub struct Message {
    /// What was done.
    pub message: &'static str,
}
