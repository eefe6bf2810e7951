//! The one form in which a post is shown: as [`Item`], kept as ready bytes in a [`Body`].

use std::collections::HashSet;
use std::fmt::Write as _;
use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::PostState;
use contracts::{Audience, PostId, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::change::Touch;
use crate::position::Position;

/// One entry of the stream (spec/feed.md section 2): the 004 fields, then ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Item {
    /// The post.
    pub post_id: PostId,
    /// Its author.
    pub user_id: UserId,
    /// The author's name today, as far as accounts are known; `User <id>` where nobody gave one.
    pub username: String,
    /// `post.created`, or `post.updated` after an edit.
    pub event_type: String,
    /// When it was published. An edit keeps it.
    pub timestamp: DateTime<Utc>,
    /// Plain text.
    pub title: String,
    /// Clean HTML.
    pub content: String,
    /// The item's id: that of its aggregate, here the post.
    pub id: PostId,
    /// What it is about: `post`.
    pub kind: String,
    /// The object behind the item, `post:<id>`.
    pub aggregate: String,
    /// Grows with every change of the object.
    pub version: i64,
    /// For whom, of the audiences the reader is in; the author sees all of them.
    pub audience: Vec<Audience>,
    /// In the author's order.
    pub tags: Vec<String>,
    /// The last edit after publishing.
    pub edited_at: Option<DateTime<Utc>>,
    /// Listed first until then.
    pub pinned_until: Option<DateTime<Utc>>,
    /// Visible comments.
    pub comment_count: i64,
    /// Ids of attached files.
    pub attachments: Vec<Uuid>,
}

/// How far ahead of its arrival a publish time may be before it is not believed (spec/feed.md rule 6).
const AHEAD: TimeDelta = TimeDelta::seconds(60);

impl Item {
    /// The item of a post that arrived at `arrived`. The only way from a post to what is shown, for pages from memory and
    /// pages from the owner alike.
    #[must_use]
    pub fn of(post: &PostState, arrived: DateTime<Utc>) -> Self {
        let mut seen = HashSet::new();
        Self {
            post_id: post.post_id,
            user_id: post.user_id,
            username: if post.username.is_empty() {
                nameless(post.user_id)
            } else {
                post.username.clone()
            },
            event_type: event_type(post.edited_at.is_some()).to_owned(),
            timestamp: Self::place(post, arrived).at,
            title: post.title.clone(),
            content: post.content.clone(),
            id: post.post_id,
            kind: crate::KIND_POST.to_owned(),
            aggregate: format!("post:{}", post.post_id),
            version: post.version,
            audience: post
                .audience
                .iter()
                .copied()
                .filter(|key| seen.insert(*key))
                .collect(),
            tags: post.tags.clone(),
            edited_at: post.edited_at,
            pinned_until: post.pinned_until,
            comment_count: post.comment_count,
            attachments: post.attachments.clone(),
        }
    }

    /// The place of the item of a post that arrived at `arrived`.
    pub(crate) fn place(post: &PostState, arrived: DateTime<Utc>) -> Position {
        // Nothing dated ahead may sit on top of the stream.
        let at = if post.published_at > arrived + AHEAD {
            arrived
        } else {
            post.published_at
        };
        Position::new(at, post.post_id)
    }

    /// Lays a foreign update over it: place and author stay.
    pub(crate) fn overlay(&mut self, touch: &Touch) {
        event_type(true).clone_into(&mut self.event_type);
        self.edited_at = Some(touch.at);
        self.version = touch.order.version;
        if let Some(title) = &touch.title {
            self.title.clone_from(title);
        }
        if let Some(content) = &touch.content {
            self.content.clone_from(content);
        }
    }

    /// The post it shows, for who shows posts: [`Item::of`] it is this again.
    #[must_use]
    pub(crate) fn state(self) -> PostState {
        PostState {
            post_id: self.post_id,
            user_id: self.user_id,
            title: self.title,
            content: self.content,
            username: self.username,
            audience: self.audience,
            state: crate::PUBLISHED.to_owned(),
            tags: self.tags,
            published_at: self.timestamp,
            edited_at: self.edited_at,
            pinned_until: self.pinned_until,
            delivery: "normal".to_owned(),
            comment_count: self.comment_count,
            attachments: self.attachments,
            version: self.version,
        }
    }

    /// Its place.
    #[must_use]
    pub fn position(&self) -> Position {
        Position::new(self.timestamp, self.post_id)
    }
}

/// What an author without a name is called [004].
#[must_use]
pub fn nameless(user: UserId) -> String {
    format!("User {user}")
}

/// The item's event type: deletions are no items, so there are two.
#[must_use]
pub fn event_type(edited: bool) -> &'static str {
    if edited {
        "post.updated"
    } else {
        "post.created"
    }
}

/// An item as ready JSON. What depends on the reader or on the day (the list of audiences, the author's name) is marked, so
/// that the rest is copied as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    json: Box<[u8]>,
    name: Range<u32>,
    audience: Range<u32>,
}

impl Body {
    /// Serialises the item once.
    #[must_use]
    pub fn of(item: &Item) -> Self {
        let mut json = Vec::with_capacity(512 + item.title.len() + item.content.len());
        field(&mut json, "{\"post_id\":", &item.post_id);
        field(&mut json, ",\"user_id\":", &item.user_id);
        let name = field(&mut json, ",\"username\":", &item.username);
        field(&mut json, ",\"event_type\":", &item.event_type);
        field(&mut json, ",\"timestamp\":", &item.timestamp);
        field(&mut json, ",\"title\":", &item.title);
        field(&mut json, ",\"content\":", &item.content);
        field(&mut json, ",\"id\":", &item.id);
        field(&mut json, ",\"kind\":", &item.kind);
        field(&mut json, ",\"aggregate\":", &item.aggregate);
        field(&mut json, ",\"version\":", &item.version);
        let audience = field(&mut json, ",\"audience\":", &item.audience);
        field(&mut json, ",\"tags\":", &item.tags);
        field(&mut json, ",\"edited_at\":", &item.edited_at);
        field(&mut json, ",\"pinned_until\":", &item.pinned_until);
        field(&mut json, ",\"comment_count\":", &item.comment_count);
        field(&mut json, ",\"attachments\":", &item.attachments);
        json.push(b'}');
        Self {
            json: json.into_boxed_slice(),
            name,
            audience,
        }
    }

    /// The bytes as they stand: every audience, the name the post came with.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// Where the name and the list of audiences stand in it, each from and to.
    #[cfg(feature = "redis")]
    pub(crate) fn marks(&self) -> [u32; 4] {
        let (name, audience) = (&self.name, &self.audience);
        [name.start, name.end, audience.start, audience.end]
    }

    /// Bytes that were a body, with their marks; `None` where these cannot be.
    #[cfg(feature = "redis")]
    pub(crate) fn marked(json: Box<[u8]>, [a, b, c, d]: [u32; 4]) -> Option<Self> {
        let ordered = a <= b && b <= c && c <= d && d as usize <= json.len();
        ordered.then_some(Self {
            json,
            name: a..b,
            audience: c..d,
        })
    }

    /// Back to the item, for the rare change that carries a part only.
    #[must_use]
    pub fn item(&self) -> Item {
        serde_json::from_slice(&self.json).expect("a body was serialised from an item")
    }

    /// Appends the item as one reader sees it: under today's name (`name`, already JSON) and with no audience of others.
    /// `shown` are the item's audiences in the item's order, `reader` those the reader is in, `None` for the author.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        name: Option<&str>,
        shown: &[Audience],
        reader: Option<&[Audience]>,
    ) {
        let mut done = 0;
        if let Some(name) = name {
            out.extend_from_slice(&self.json[done..self.name.start as usize]);
            out.extend_from_slice(name.as_bytes());
            done = self.name.end as usize;
        }
        if let Some(reader) = reader
            && shown.iter().any(|key| !reader.contains(key))
        {
            out.extend_from_slice(&self.json[done..self.audience.start as usize]);
            audiences(out, shown.iter().filter(|key| reader.contains(key)));
            done = self.audience.end as usize;
        }
        out.extend_from_slice(&self.json[done..]);
    }
}

fn audiences<'a>(out: &mut Vec<u8>, keys: impl Iterator<Item = &'a Audience>) {
    let mut text = String::from("[");
    for (index, key) in keys.enumerate() {
        // An audience key holds no character that JSON escapes.
        let comma = if index == 0 { "" } else { "," };
        write!(text, "{comma}\"{key}\"").expect("writing to a string does not fail");
    }
    text.push(']');
    out.extend_from_slice(text.as_bytes());
}

fn field<T: Serialize>(json: &mut Vec<u8>, name: &str, value: &T) -> Range<u32> {
    json.extend_from_slice(name.as_bytes());
    let start = json.len();
    serde_json::to_writer(&mut *json, value)
        .expect("the fields of an item serialise, and a vector takes every byte");
    let place = |at: usize| u32::try_from(at).expect("a post is far below 4 GiB");
    place(start)..place(json.len())
}
