//! What a page is asked for, and what a store answers.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use contracts::{Audience, PostId, UserId};

use crate::position::Position;

/// Whose page.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// What a reader of these audiences sees. Sorted, each once.
    Audiences(Vec<Audience>),
    /// What this person published, whomever it was for.
    By(UserId),
}

impl Scope {
    /// A reader of these audiences.
    #[must_use]
    pub fn reader(mut audiences: Vec<Audience>) -> Self {
        audiences.sort_unstable();
        audiences.dedup();
        Self::Audiences(audiences)
    }
}

/// Which of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// With this tag.
    pub tag: Option<String>,
    /// Published at or after.
    pub from: Option<DateTime<Utc>>,
    /// Published before.
    pub to: Option<DateTime<Utc>>,
}

impl Filter {
    /// Whether everything passes.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a page starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the top, after passing over so many.
    Skip(usize),
    /// Below this place.
    After(Position),
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Whose.
    pub scope: Scope,
    /// Which items.
    pub filter: Filter,
    /// Where it starts.
    pub start: Start,
    /// How many at most, 1 to 100.
    pub limit: usize,
}

impl Query {
    /// How many positions are passed over.
    #[must_use]
    pub fn skip(&self) -> usize {
        match self.start {
            Start::Skip(skip) => skip,
            Start::After(_) => 0,
        }
    }
}

/// What a store knows of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The whole answer, ready.
    Ready(Bytes),
    /// The items it has.
    Part(Part),
    /// Nothing yet: the stream is being filled.
    Cold,
}

/// The items of a page that a store has: all of them, or those above a floor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Items as JSON, joined by commas.
    pub items: Vec<u8>,
    /// How many.
    pub count: usize,
    /// The place of the last one, pinned ones aside.
    pub last: Option<Position>,
    /// Whether at least one more follows that the store has.
    pub more: bool,
    /// Where the owner goes on, if the store's windows end before the page does.
    pub rest: Option<Rest>,
    /// Distinct items in the windows; only without a cursor.
    pub total: Option<usize>,
    /// Until when the page may be shown again if no timeline changes: the end of the first pin on it.
    pub until: Option<DateTime<Utc>>,
}

/// The part of a page that is at the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// Everything below this place.
    pub below: Position,
    /// How many of it to pass over.
    pub skip: usize,
    /// Listed first already, so not again.
    pub except: Vec<PostId>,
}

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Whether it answers pages.
    pub published: bool,
    /// Timelines of audiences.
    pub timelines: usize,
    /// Items.
    pub items: usize,
    /// Bytes of their bodies.
    pub bytes: usize,
    /// The last message applied, by topic and partition.
    pub applied: crate::change::Marks,
    /// When the last event that was applied reached the bus.
    pub last_event_at: Option<DateTime<Utc>>,
    /// The state that is shown: its name in the store.
    pub prefix: String,
}
