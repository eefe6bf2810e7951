//! Messages of the 004 producer on `posts-events`: no key, no headers, naive UTC time, no version, at first no content
//! (facts/origins.md section 1.4).

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::envelope::Unreadable;
use crate::{PostId, UserId, html};

/// Characters of a post's content (spec/posts.md rule 13).
const CONTENT_MAX: usize = 50_000;

/// What a foreign message says happened. The order decides a tie of times: deleted > updated > created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Published.
    Created,
    /// Edited.
    Updated,
    /// Gone.
    Deleted,
}

/// A foreign producer's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignPost {
    /// What happened.
    pub change: Change,
    /// Made from (event type, post, timestamp), so that a replay has the same.
    pub event_id: Uuid,
    /// The post.
    pub post_id: PostId,
    /// Its author.
    pub user_id: UserId,
    /// When, read as UTC.
    pub at: DateTime<Utc>,
    /// The producer's title, if it sent one.
    pub title: Option<String>,
    /// The content, where the producer is new enough to send it.
    pub content: Option<String>,
    /// The author's name, likewise.
    pub username: Option<String>,
}

impl ForeignPost {
    /// The version such a message stands for: its time in milliseconds.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.at.timestamp_millis()
    }

    pub(super) fn read(payload: &[u8]) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Raw {
            event_type: String,
            timestamp: String,
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            post_id: PostId,
            user_id: UserId,
            title: Option<String>,
            content: Option<String>,
            username: Option<String>,
        }
        let raw: Raw = serde_json::from_slice(payload)
            .map_err(|error| Unreadable(format!("does not parse: {error}")))?;
        let change = match raw.event_type.as_str() {
            "post.created" => Change::Created,
            "post.updated" => Change::Updated,
            "post.deleted" => Change::Deleted,
            other => return Err(Unreadable(format!("unknown event type {other}"))),
        };
        let at = time(&raw.timestamp).ok_or_else(|| {
            Unreadable(format!("timestamp is no ISO 8601 time: {}", raw.timestamp))
        })?;
        // What another program wrote is no cleaner than what a person sends.
        let content = raw
            .data
            .content
            .map(|html| html::clean_within(&html, CONTENT_MAX).ok_or_else(too_long));
        Ok(Self {
            change,
            event_id: event_id(&raw.event_type, raw.data.post_id, &raw.timestamp),
            post_id: raw.data.post_id,
            user_id: raw.data.user_id,
            at,
            title: raw.data.title,
            content: content.transpose()?,
            username: raw.data.username,
        })
    }
}

fn too_long() -> Unreadable {
    Unreadable(format!(
        "the content is longer than {CONTENT_MAX} characters"
    ))
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc));
    zoned
        .or_else(|_| text.parse::<NaiveDateTime>().map(|naive| naive.and_utc()))
        .ok()
}

/// A name-based identifier (`UUIDv5`, spec/posts.md section 4).
fn event_id(event_type: &str, post: PostId, timestamp: &str) -> Uuid {
    Uuid::new_v5(
        &Uuid::NAMESPACE_OID,
        format!("{event_type}\n{post}\n{timestamp}").as_bytes(),
    )
}
