//! What is known of one post.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use contracts::{Audience, PostId, UserId};

use crate::change::{Order, Touch};
use crate::item::{Body, Item};
use crate::position::Position;

/// What is known of one post.
#[derive(Debug)]
pub(super) enum Aggregate {
    /// It is in at least one window.
    Live(Box<Entry>),
    /// It is in no window (too old, not published, for nobody), but its version is known.
    Off {
        /// Its last state's.
        order: Order,
        /// Since when it is kept without being needed.
        since: DateTime<Utc>,
    },
    /// It is gone.
    Dead {
        /// Its end's.
        order: Order,
        /// Since when.
        since: DateTime<Utc>,
    },
}

impl Aggregate {
    /// The last change that carried the whole state. A foreign update says nothing about whether the post still is.
    pub(super) fn stated(&self) -> Order {
        match self {
            Self::Live(entry) => entry.stated,
            Self::Off { order, .. } | Self::Dead { order, .. } => *order,
        }
    }

    /// The version that is applied.
    pub(super) fn version(&self) -> i64 {
        match self {
            Self::Live(entry) => entry.order().version,
            Self::Off { order, .. } | Self::Dead { order, .. } => order.version,
        }
    }

    /// Since when it is kept without a body.
    pub(super) fn since(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Live(_) => None,
            Self::Off { since, .. } | Self::Dead { since, .. } => Some(*since),
        }
    }
}

/// A post with its body.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) stated: Order,
    /// The newest foreign update above that state; rare, so it is apart.
    pub(super) touched: Option<Box<Touch>>,
    at: DateTime<Utc>,
    pub(super) user: UserId,
    /// Shared with the change log, as the body is.
    pub(super) audiences: Arc<[Audience]>,
    pub(super) tags: Box<[Box<str>]>,
    pub(super) pinned_until: Option<DateTime<Utc>>,
    /// Of a foreign post: until when it is kept in or out of every window, because nobody else has it.
    pub(super) kept_until: Option<DateTime<Utc>>,
    pub(super) body: Arc<Body>,
}

impl Entry {
    pub(super) fn new(item: &Item, stated: Order, touched: Option<Touch>) -> Self {
        Self {
            stated,
            touched: touched.map(Box::new),
            at: item.timestamp,
            user: item.user_id,
            audiences: item.audience.as_slice().into(),
            tags: item.tags.iter().map(|tag| tag.as_str().into()).collect(),
            pinned_until: item.pinned_until,
            kept_until: None,
            body: Arc::new(Body::of(item)),
        }
    }

    pub(super) fn kept_until(self, until: Option<DateTime<Utc>>) -> Self {
        Self {
            kept_until: until,
            ..self
        }
    }

    pub(super) fn position(&self, id: PostId) -> Position {
        Position::new(self.at, id)
    }

    pub(super) fn order(&self) -> Order {
        self.touched
            .as_ref()
            .map_or(self.stated, |touch| touch.order.max(self.stated))
    }
}
