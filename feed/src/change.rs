//! What the stream is made of: changes read from events, in the form the projection takes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::clients::ExportRow;
use contracts::events::{self, ForeignPost, PostEvent, PostState, ProfileEvent, UserEvent};
use contracts::{Audience, PostId, Role, Roles, UserId};

/// Decides which of two changes of one aggregate is the later (spec/feed.md rules 1 and 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    /// Whether the owner of the posts says it. What is the owner's is not a foreign producer's to change: pages from the
    /// owner would show something else than pages from here.
    pub owned: bool,
    /// The owner's version; of a foreign message its time in milliseconds.
    pub version: i64,
    /// Between foreign messages of one millisecond: deleted > updated > created. Ours need none.
    pub rank: u8,
}

impl Order {
    /// Of the owner's version.
    #[must_use]
    pub fn owned(version: i64) -> Self {
        Self {
            owned: true,
            version,
            rank: 0,
        }
    }

    /// Of a foreign message.
    #[must_use]
    pub fn foreign(version: i64, rank: u8) -> Self {
        Self {
            owned: false,
            version,
            rank,
        }
    }
}

/// How a post's state came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An event.
    Bus,
    /// The owner's export.
    Export,
    /// The owner was asked because of a held update: that is in it, so it is dropped.
    Asked,
}

/// A foreign update: it says that a post changed, and perhaps some of how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The post.
    pub id: PostId,
    /// Where it stands among the post's changes.
    pub order: Order,
    /// When the post was edited.
    pub at: DateTime<Utc>,
    /// The new title, if it was sent.
    pub title: Option<String>,
    /// The new content, if it was sent.
    pub content: Option<String>,
}

/// What decides on an account's audiences, as far as accounts tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Its roles.
    pub roles: Roles,
    /// False once deactivated.
    pub active: bool,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The whole state of a post.
    Post {
        /// The post.
        post: Box<PostState>,
        /// Where this state stands among the post's changes.
        order: Order,
        /// When it reached us; what is dated later than this is placed here.
        arrived: DateTime<Utc>,
        /// How it came here.
        source: Source,
    },
    /// A foreign update.
    Touch(Touch),
    /// A post is gone.
    Gone {
        /// The post.
        id: PostId,
        /// Where its end stands among its changes.
        order: Order,
        /// When it ended: its tombstone is kept from here on.
        at: DateTime<Utc>,
    },
    /// What an account may.
    Rights {
        /// The account.
        user: UserId,
        /// What it may now.
        rights: Rights,
        /// Of the account's state.
        version: i64,
    },
    /// What somebody is called.
    Name {
        /// The account.
        user: UserId,
        /// Who says so.
        from: NameSource,
        /// What they are called now.
        name: String,
        /// Of the state that says so.
        version: i64,
    },
}

/// Who says what somebody is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameSource {
    /// The account: its user name.
    Account,
    /// The profile: the display name. It stands above the account's.
    Profile,
}

/// What authors without a profile are called who had one (spec/profile.md rule 12).
const FORMER_MEMBER: &str = "former member";

impl Change {
    /// A state of one of our own posts.
    #[must_use]
    pub fn owned(post: PostState, arrived: DateTime<Utc>, source: Source) -> Self {
        let order = Order::owned(post.version);
        Self::Post {
            post: Box::new(post),
            order,
            arrived,
            source,
        }
    }

    /// What a row of the owner's export says.
    #[must_use]
    pub fn exported(row: ExportRow, began: DateTime<Utc>) -> Self {
        match row {
            ExportRow::Post(post) => Self::owned(post, began, Source::Export),
            ExportRow::Tombstone(gone) => Self::Gone {
                id: gone.id,
                order: Order::owned(gone.version),
                at: gone.deleted_at,
            },
        }
    }

    /// What an event on `posts-events` changes.
    #[must_use]
    pub fn of_post(event: PostEvent, arrived: DateTime<Utc>) -> Self {
        match event {
            PostEvent::Created(post) | PostEvent::Updated(post) => {
                Self::owned(post, arrived, Source::Bus)
            }
            PostEvent::Deleted(post) => Self::Gone {
                id: post.post_id,
                order: Order::owned(post.version),
                at: arrived,
            },
            PostEvent::Foreign(foreign) => Self::foreign(foreign, arrived),
        }
    }

    /// What an event on `auth-events` changes: every kind carries the whole account.
    #[must_use]
    pub fn of_user(event: UserEvent) -> [Self; 2] {
        let state = event.state;
        let rights = Rights {
            roles: state.user_data.roles,
            active: state.user_data.is_active,
        };
        [
            Self::Rights {
                user: state.user_id,
                rights,
                version: state.version,
            },
            Self::Name {
                user: state.user_id,
                from: NameSource::Account,
                name: state.user_data.username,
                version: state.version,
            },
        ]
    }

    /// The post it is about.
    #[must_use]
    pub fn post(&self) -> Option<PostId> {
        match self {
            Self::Post { post, .. } => Some(post.post_id),
            Self::Touch(touch) => Some(touch.id),
            Self::Gone { id, .. } => Some(*id),
            Self::Rights { .. } | Self::Name { .. } => None,
        }
    }

    /// What an event on `profile-events` changes.
    #[must_use]
    pub fn of_profile(event: ProfileEvent) -> Self {
        Self::Name {
            user: event.user_id(),
            from: NameSource::Profile,
            version: event.version(),
            name: match event {
                ProfileEvent::Updated(profile) => profile.display_name,
                ProfileEvent::Deleted(_) => FORMER_MEMBER.to_owned(),
            },
        }
    }

    fn foreign(message: ForeignPost, arrived: DateTime<Utc>) -> Self {
        let rank = match message.change {
            events::Change::Created => 0,
            events::Change::Updated => 1,
            events::Change::Deleted => 2,
        };
        let order = Order::foreign(message.version(), rank);
        match message.change {
            events::Change::Deleted => Self::Gone {
                id: message.post_id,
                order,
                at: arrived,
            },
            events::Change::Updated => Self::Touch(Touch {
                id: message.post_id,
                order,
                at: message.at,
                title: message.title,
                content: message.content,
            }),
            events::Change::Created => Self::Post {
                post: Box::new(foreign_post(message, order.version)),
                order,
                arrived,
                source: Source::Bus,
            },
        }
    }
}

/// A foreign producer knows no audiences: every signed-in account reads it (spec/posts.md section 4).
fn foreign_post(message: ForeignPost, version: i64) -> PostState {
    PostState {
        post_id: message.post_id,
        user_id: message.user_id,
        title: message.title.unwrap_or_default(),
        content: message.content.unwrap_or_default(),
        username: message.username.unwrap_or_default(),
        audience: vec![Audience::Role(Role::Member)],
        state: crate::PUBLISHED.to_owned(),
        tags: Vec::new(),
        published_at: message.at,
        edited_at: None,
        pinned_until: None,
        delivery: "normal".to_owned(),
        comment_count: 0,
        attachments: Vec::new(),
        version,
    }
}

/// Where on the bus a change was read. Kept with the data, in the same step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// The message.
    pub offset: i64,
}

/// The last message applied, by topic and partition.
pub type Marks = BTreeMap<String, BTreeMap<i32, i64>>;

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Something is different now.
    Applied,
    /// The same, and a window has room now for what lies below it: see [`Gap`](crate::Gap).
    Thinned,
    /// It was known already, or is older than what is known.
    Unchanged,
    /// An update of a post nobody told us of: kept until its creation arrives, or the owner is asked.
    Held,
}
