//! A post as this service keeps it, and what others are told about it.

use chrono::{DateTime, Utc};
use contracts::events::PostState;
use contracts::{Audience, PostId, Role, UserId};
use serde::{Deserialize, Serialize};

/// A published post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Its identity, for ever.
    pub id: PostId,
    /// Its author.
    pub user_id: UserId,
    /// The author's user name when it was written, or [`FORMER_MEMBER`].
    pub username: String,
    /// The author's first role when it was written; decides how long a deleted text is kept (rule 12).
    pub author_role: Role,
    /// Plain text, one line.
    pub title: String,
    /// Clean HTML.
    pub content: String,
    /// In the author's order.
    pub tags: Vec<String>,
    /// 1 to 20 keys; whoever reads one of them reads the post.
    pub audience: Vec<Audience>,
    /// 1 at first, one more with every change.
    pub version: i64,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// The last change of any kind.
    pub updated_at: DateTime<Utc>,
    /// Its place in time, above that of every post there was before it.
    pub published_at: DateTime<Utc>,
    /// The last edit.
    pub edited_at: Option<DateTime<Utc>>,
    /// Who wrote the text as it stands.
    pub edited_by: UserId,
    /// The last edit by somebody else than the author.
    pub moderation: Option<Moderation>,
}

/// The parts of a post that people change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Plain text.
    pub title: String,
    /// Clean HTML.
    pub content: String,
    /// In their one form.
    pub tags: Vec<String>,
    /// 1 to 20.
    pub audience: Vec<Audience>,
}

/// Who changed another's post, and why (rule 8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Moderation {
    /// The moderator.
    pub by: UserId,
    /// The reason they gave.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What stands in the place of the name of an author whose account is gone.
pub const FORMER_MEMBER: &str = "former member";

impl Post {
    /// The parts that people change.
    #[must_use]
    pub fn text(&self) -> Text {
        Text {
            title: self.title.clone(),
            content: self.content.clone(),
            tags: self.tags.clone(),
            audience: self.audience.clone(),
        }
    }

    /// The post as events and other services carry it.
    #[must_use]
    pub fn state(&self) -> PostState {
        PostState {
            post_id: self.id,
            user_id: self.user_id,
            title: self.title.clone(),
            content: self.content.clone(),
            username: self.username.clone(),
            audience: self.audience.clone(),
            state: PUBLISHED.to_owned(),
            tags: self.tags.clone(),
            published_at: self.published_at,
            edited_at: self.edited_at,
            pinned_until: None,
            delivery: DELIVERY.to_owned(),
            comment_count: 0,
            attachments: Vec::new(),
            version: self.version,
        }
    }
}

/// The state of every post there is to read.
pub const PUBLISHED: &str = "published";
/// How every post is delivered: in the feed, counted, notified (rule 11).
pub const DELIVERY: &str = "normal";
