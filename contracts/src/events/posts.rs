//! `posts-events` (spec/posts.md section 4).

use backends::bus::Delivered;
use backends::outbox::Message;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::envelope::{Envelope, Unreadable, envelope_of, message};
use super::foreign::ForeignPost;
use crate::{Audience, PostId, UserId, topics};

/// The whole state of a published post, as readers may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PostState {
    /// The post.
    pub post_id: PostId,
    /// Its author.
    pub user_id: UserId,
    /// Plain text.
    pub title: String,
    /// Clean HTML.
    pub content: String,
    /// The author's user name when it was written.
    pub username: String,
    /// For whom.
    pub audience: Vec<Audience>,
    /// `published`.
    pub state: String,
    /// In the author's order.
    pub tags: Vec<String>,
    /// Its place in time; edits keep it.
    pub published_at: DateTime<Utc>,
    /// The last edit after publishing.
    pub edited_at: Option<DateTime<Utc>>,
    /// Listed first until then.
    pub pinned_until: Option<DateTime<Utc>>,
    /// `normal`, `quiet` or `silent` (spec/posts.md rule 11).
    pub delivery: String,
    /// Visible comments.
    pub comment_count: i64,
    /// Ids of attached files.
    pub attachments: Vec<Uuid>,
    /// Grows by one with every change.
    pub version: i64,
}

/// Why a post is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeleteReason {
    /// Its author removed it.
    Author,
    /// A moderator removed it.
    Moderation,
    /// The person was erased.
    Erasure,
}

/// A post is gone; the last thing its key says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostDeleted {
    /// The post.
    pub post_id: PostId,
    /// Its author.
    pub user_id: UserId,
    /// Above every earlier version.
    pub version: i64,
    /// Why.
    pub reason: DeleteReason,
}

/// One message of `posts-events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostEvent {
    /// Published.
    Created(PostState),
    /// Edited, or its audience changed.
    Updated(PostState),
    /// Gone.
    Deleted(PostDeleted),
    /// A message of a foreign producer: no version, perhaps no content.
    Foreign(ForeignPost),
}

impl PostEvent {
    /// Reads a delivered message, ours or a foreign producer's.
    ///
    /// # Errors
    /// [`Unreadable`]: for the dead letters.
    pub fn read(delivered: &Delivered) -> Result<Self, Unreadable> {
        // The foreign timestamp has no offset, so the envelope is read loosely first.
        #[derive(Deserialize)]
        struct Loose {
            event_type: String,
            data: Value,
        }
        let loose: Loose = serde_json::from_slice(&delivered.record.payload)
            .map_err(|error| Unreadable(format!("does not parse: {error}")))?;
        if loose.data.get("version").is_none() {
            return ForeignPost::read(&delivered.record.payload).map(Self::Foreign);
        }
        match loose.event_type.as_str() {
            "post.created" => envelope_of(delivered).map(|event| Self::Created(event.data)),
            "post.updated" => envelope_of(delivered).map(|event| Self::Updated(event.data)),
            "post.deleted" => envelope_of(delivered).map(|event| Self::Deleted(event.data)),
            other => Err(Unreadable(format!("unknown event type {other}"))),
        }
    }

    /// The post it is about.
    #[must_use]
    pub fn post_id(&self) -> PostId {
        match self {
            Self::Created(post) | Self::Updated(post) => post.post_id,
            Self::Deleted(post) => post.post_id,
            Self::Foreign(post) => post.post_id,
        }
    }

    /// The outbox message that says the post was published (first version) or changed.
    #[must_use]
    pub fn state(post: &PostState, event_id: Uuid, at: DateTime<Utc>) -> Message {
        let event_type = if post.version == 1 {
            "post.created"
        } else {
            "post.updated"
        };
        let event = Envelope {
            event_type: event_type.to_owned(),
            timestamp: at,
            data: post,
        };
        message(
            &topics::POSTS_EVENTS,
            "posts",
            key(post.post_id),
            event_id,
            &event,
        )
    }

    /// The outbox message that says the post is gone.
    #[must_use]
    pub fn deleted(post: &PostDeleted, event_id: Uuid, at: DateTime<Utc>) -> Message {
        let event = Envelope {
            event_type: "post.deleted".to_owned(),
            timestamp: at,
            data: post,
        };
        message(
            &topics::POSTS_EVENTS,
            "posts",
            key(post.post_id),
            event_id,
            &event,
        )
    }
}

fn key(post: PostId) -> String {
    format!("post:{post}")
}
