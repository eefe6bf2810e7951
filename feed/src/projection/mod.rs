//! The stream in memory: pure, without input or output, time as a parameter. What it holds is decided by the set of changes
//! it was given, not by their order or their number.
//!
//! [`posts`] decides what a change does to a post, [`place`] puts posts into windows and takes them out, [`gaps`] fills
//! windows up again, [`read`] makes pages.

mod entry;
mod gaps;
mod held;
mod merge;
mod names;
mod place;
mod posts;
mod read;
mod timeline;
mod whole;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Audience, PostId, UserId};

use crate::change::{Change, Effect, Mark, Marks, NameSource, Rights};
use crate::live::{ItemTold, Shown, Told};
use crate::position::Position;
use entry::Aggregate;
use held::Held;
use names::Names;
use timeline::Timeline;

pub use gaps::{Gap, Line};
pub use whole::{Kept, Window};

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The newest items per audience and per person; at least 1.
    pub window: usize,
    /// How long the end of a post, the version of one that is in no window, and a foreign post are remembered: longer than
    /// their events are kept on the bus, so that no replay revives or misplaces one.
    pub remember: TimeDelta,
}

/// All timelines and bodies.
#[derive(Debug)]
pub struct Projection {
    limits: Limits,
    aggregates: HashMap<PostId, Aggregate>,
    timelines: HashMap<Audience, Timeline>,
    people: HashMap<UserId, Timeline>,
    /// Those that have room for what lies below them.
    thin: BTreeSet<Line>,
    names: Names,
    rights: HashMap<UserId, (i64, Rights)>,
    held: Held,
    /// Aggregates without a body, in the order in which they may be forgotten.
    remembered: VecDeque<(DateTime<Utc>, PostId)>,
    /// When pins end.
    pin_ends: BTreeSet<(DateTime<Utc>, PostId)>,
    /// Foreign posts, in a window or not.
    foreign: BTreeSet<Position>,
    /// Until when they are kept.
    foreign_ends: BTreeSet<(DateTime<Utc>, PostId)>,
    marks: Marks,
    generation: u64,
    items: usize,
    bytes: usize,
    last_event_at: Option<DateTime<Utc>>,
}

impl Projection {
    /// An empty stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits: Limits {
                window: limits.window.max(1),
                ..limits
            },
            aggregates: HashMap::new(),
            timelines: HashMap::new(),
            people: HashMap::new(),
            thin: BTreeSet::new(),
            names: Names::default(),
            rights: HashMap::new(),
            held: Held::default(),
            remembered: VecDeque::new(),
            pin_ends: BTreeSet::new(),
            foreign: BTreeSet::new(),
            foreign_ends: BTreeSet::new(),
            marks: Marks::new(),
            generation: 0,
            items: 0,
            bytes: 0,
            last_event_at: None,
        }
    }

    /// Applies one change in one step.
    pub fn apply(&mut self, change: Change, now: DateTime<Utc>) -> Effect {
        self.expire(now);
        self.change(change, now)
    }

    /// The same, and what it is to live readers.
    pub(crate) fn apply_telling(
        &mut self,
        change: Change,
        now: DateTime<Utc>,
    ) -> (Effect, Option<Told>) {
        self.expire(now);
        let id = change.post();
        let before = id.and_then(|id| self.told_of(id));
        let permitted = match &change {
            Change::Rights { user, .. } => self.rights_of(*user).map(|rights| (*user, rights)),
            _ => None,
        };
        let effect = self.change(change, now);
        if !matches!(effect, Effect::Applied | Effect::Thinned) {
            return (effect, None);
        }
        if let Some((user, before)) = permitted {
            let after = self.rights_of(user).filter(|after| *after != before);
            return (effect, after.map(|rights| Told::Rights { user, rights }));
        }
        let after = id.and_then(|id| self.told_of(id));
        let told = id.filter(|_| before.is_some() || after.is_some());
        let told = told.map(|id| Told::Item(ItemTold::new(id, before, after)));
        (effect, told)
    }

    fn told_of(&self, id: PostId) -> Option<Shown> {
        self.entry(id).map(|entry| Shown {
            to: entry.audiences.clone(),
            by: entry.user,
            body: entry.body.clone(),
        })
    }

    /// What an account may, if an account event told it.
    #[must_use]
    pub fn rights_of(&self, user: UserId) -> Option<Rights> {
        self.rights.get(&user).map(|(_, rights)| *rights)
    }

    fn change(&mut self, change: Change, now: DateTime<Utc>) -> Effect {
        let thin = self.thin.len();
        let effect = match change {
            Change::Post {
                post,
                order,
                arrived,
                source,
            } => self.post(&post, order, arrived, source, now),
            Change::Touch(touch) => self.touch(touch, now),
            Change::Gone { id, order, at } => self.gone(id, order, at, now),
            Change::Rights {
                user,
                rights,
                version,
            } => self.permit(user, rights, version),
            Change::Name {
                user,
                from,
                name,
                version,
            } => self.name(user, from, &name, version),
        };
        match effect {
            Effect::Applied if self.thin.len() > thin => Effect::Thinned,
            effect => effect,
        }
    }

    /// Notes how far the bus was read.
    pub fn mark(&mut self, mark: Mark, at: DateTime<Utc>) {
        self.marks
            .entry(mark.topic)
            .or_default()
            .entry(mark.partition)
            .and_modify(|offset| *offset = mark.offset.max(*offset))
            .or_insert(mark.offset);
        self.last_event_at = self.last_event_at.max(Some(at));
    }

    fn permit(&mut self, user: UserId, rights: Rights, version: i64) -> Effect {
        let known = self.rights.get(&user);
        if known.is_some_and(|(known, _)| *known >= version) {
            return Effect::Unchanged;
        }
        self.rights.insert(user, (version, rights));
        Effect::Applied
    }

    fn name(&mut self, user: UserId, from: NameSource, name: &str, version: i64) -> Effect {
        if !self.names.set(user, from, name, version) {
            return Effect::Unchanged;
        }
        if self.people.contains_key(&user) {
            self.generation += 1;
            self.names.generation = self.generation;
        }
        Effect::Applied
    }

    /// What time alone changes.
    fn expire(&mut self, now: DateTime<Utc>) {
        self.end_pins(now);
        self.end_foreign(now);
        self.forget(now);
    }
}
