//! The change log of one stream: what changed for whom, in order, for as long as somebody may come back and ask. It is shared:
//! a live reader is a place in it and nothing more.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Audience, PostId, UserId};

use super::place::Place;
use crate::change::Rights;
use crate::item::Body;

/// Changes kept at most (spec/feed.md rule 19).
const MOST: usize = 10_000;
/// How long a change is kept (rule 19).
const KEPT: TimeDelta = TimeDelta::hours(24);
/// Bytes of bodies kept at most. Those of today's items are shared with the stream and cost nothing, but a log of nothing
/// but edits of long posts must not take what the whole stream takes.
const BYTES: usize = 32 << 20;

/// What a change is to live readers.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// An item came, changed, moved or went.
    Item(ItemTold),
    /// A person may something else than before.
    Rights {
        /// Who.
        user: UserId,
        /// What they may now.
        rights: Rights,
    },
}

/// What happened to an item. The body is the one of then, so that a reader who comes back is told what happened and not what
/// has become of it.
#[derive(Clone, Debug)]
pub(crate) struct ItemTold {
    /// The item.
    pub(crate) id: PostId,
    /// Who read it until then.
    before: Arc<[Audience]>,
    /// How it is from then on; `None` where it went.
    after: Option<Shown>,
}

/// An item as it was at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// Who reads it.
    pub(crate) to: Arc<[Audience]>,
    /// Its author.
    pub(crate) by: UserId,
    /// Its body.
    pub(crate) body: Arc<Body>,
}

/// What an item's change is to one reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// It is new to them.
    Item,
    /// They had it, and it is different now.
    Update,
    /// They had it, and it is not for them any longer.
    Remove,
}

impl Op {
    /// The event's name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Update => "update",
            Self::Remove => "remove",
        }
    }
}

impl ItemTold {
    pub(crate) fn new(id: PostId, before: Option<Shown>, after: Option<Shown>) -> Self {
        let before = before.map_or_else(|| Arc::from([]), |shown| shown.to);
        Self { id, before, after }
    }

    /// The same by who read it until then.
    #[cfg(feature = "redis")]
    pub(crate) fn after_those(id: PostId, before: Arc<[Audience]>, after: Option<Shown>) -> Self {
        Self { id, before, after }
    }

    /// How it is from then on.
    pub(crate) fn after(&self) -> Option<&Shown> {
        self.after.as_ref()
    }

    /// What it is to a reader of these audiences; `None`: nothing.
    pub(crate) fn to(&self, reader: &[Audience]) -> Option<Op> {
        let after = self.after.as_ref();
        match (
            meets(&self.before, reader),
            after.is_some_and(|shown| meets(&shown.to, reader)),
        ) {
            (false, true) => Some(Op::Item),
            (true, true) => Some(Op::Update),
            (true, false) => Some(Op::Remove),
            (false, false) => None,
        }
    }

    fn bytes(&self) -> usize {
        self.after
            .as_ref()
            .map_or(0, |shown| shown.body.json().len())
    }
}

/// Whether a reader of these audiences sees what is for those.
pub(crate) fn meets(audiences: &[Audience], reader: &[Audience]) -> bool {
    audiences.iter().any(|key| reader.contains(key))
}

/// A bounded log.
#[derive(Debug)]
pub(crate) struct Log {
    generation: u64,
    /// The number of the first change that is kept.
    first: u64,
    entries: VecDeque<(DateTime<Utc>, Told)>,
    bytes: usize,
}

impl Log {
    pub(crate) fn new(generation: u64) -> Self {
        Self::starting(generation, 1)
    }

    /// One that knows nothing before this change.
    pub(crate) fn starting(generation: u64, first: u64) -> Self {
        Self {
            generation,
            first,
            entries: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Adds a change, and forgets what is too old or too much.
    pub(crate) fn push(&mut self, told: Told, now: DateTime<Utc>) {
        self.bytes += bytes(&told);
        self.entries.push_back((now, told));
        while let Some((at, told)) = self.entries.front()
            && (self.entries.len() > MOST || self.bytes > BYTES || *at + KEPT <= now)
        {
            self.bytes -= bytes(told);
            self.first += 1;
            self.entries.pop_front();
        }
    }

    /// After the last change.
    pub(crate) fn end(&self) -> Place {
        Place {
            generation: self.generation,
            seq: self.first + self.entries.len() as u64 - 1,
        }
    }

    /// Whether everything after this place is known here.
    pub(crate) fn reaches(&self, place: Place) -> bool {
        place.generation == self.generation
            && place.seq + 1 >= self.first
            && place.seq <= self.end().seq
    }

    /// The changes after a place that it [reaches](Self::reaches), with their numbers.
    pub(crate) fn after(&self, place: Place) -> impl DoubleEndedIterator<Item = (u64, &Told)> {
        let from = (place.seq + 1).saturating_sub(self.first);
        let from = usize::try_from(from)
            .unwrap_or(usize::MAX)
            .min(self.entries.len());
        let entries = self.entries.range(from..).enumerate();
        let first = self.first + from as u64;
        entries.map(move |(index, (_, told))| (first + index as u64, told))
    }

    /// The last change of this person's rights after a place.
    pub(crate) fn rights_after(&self, place: Place, who: UserId) -> Option<(u64, Rights)> {
        self.after(place).rev().find_map(|(seq, told)| match told {
            Told::Rights { user, rights } if *user == who => Some((seq, *rights)),
            _ => None,
        })
    }

    /// What each item that has changed since was before its first change.
    pub(crate) fn undone(&self, place: Place) -> HashMap<PostId, &Arc<[Audience]>> {
        let mut before = HashMap::new();
        for (_, told) in self.after(place) {
            if let Told::Item(item) = told {
                before.entry(item.id).or_insert(&item.before);
            }
        }
        before
    }
}

fn bytes(told: &Told) -> usize {
    match told {
        Told::Item(item) => item.bytes(),
        Told::Rights { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Item;
    use crate::owner::{id, post, start};
    use proptest::prelude::*;

    fn told(number: u32, text: &str) -> Told {
        let mut post = post(number, 0, &["school"]);
        post.content = text.to_owned();
        let item = Item::of(&post, start());
        let shown = Shown {
            to: item.audience.as_slice().into(),
            by: item.user_id,
            body: Arc::new(Body::of(&item)),
        };
        Told::Item(ItemTold::new(id(number), None, Some(shown)))
    }

    fn place(seq: u64) -> Place {
        Place { generation: 7, seq }
    }

    fn numbers(log: &Log, seq: u64) -> Vec<u64> {
        log.after(place(seq)).map(|(seq, _)| seq).collect()
    }

    #[test]
    fn ten_thousand_changes_are_kept_and_who_is_further_back_is_not_reached() {
        let mut log = Log::new(7);
        let change = told(1, "");
        for _ in 0..MOST + 10 {
            log.push(change.clone(), start());
        }
        assert_eq!(log.end(), place(MOST as u64 + 10));
        assert!(log.reaches(place(10)) && !log.reaches(place(9)));
        assert!(log.reaches(log.end()) && !log.reaches(place(MOST as u64 + 11)));
        assert_eq!(log.after(place(10)).count(), MOST);
    }

    #[test]
    fn a_day_old_change_is_forgotten_with_the_next_one() {
        let mut log = Log::new(7);
        log.push(told(1, ""), start());
        log.push(told(2, ""), start() + TimeDelta::hours(1));
        log.push(told(3, ""), start() + KEPT);
        assert!(!log.reaches(place(0)));
        assert_eq!(numbers(&log, 1), [2, 3]);
    }

    #[test]
    fn bodies_of_more_than_32_mib_are_not_kept_however_few_they_are() {
        let mut log = Log::new(7);
        let long = told(1, &"x".repeat(1 << 20));
        for _ in 0..40 {
            log.push(long.clone(), start());
        }
        assert_eq!(log.end(), place(40));
        assert!(
            log.bytes <= BYTES && numbers(&log, 40 - 31).len() == 31,
            "{}",
            log.bytes
        );
        assert!(!log.reaches(place(5)));
    }

    #[test]
    fn the_places_of_another_log_are_not_reached() {
        let log = Log::new(7);
        assert!(log.reaches(place(0)));
        assert!(!log.reaches(Place {
            generation: 8,
            seq: 0
        }));
    }

    proptest! {
        #[test]
        fn what_follows_a_place_is_what_was_pushed_after_it(pushed in 0..50_u64, from in 0..60_u64) {
            let mut log = Log::new(7);
            for number in 0..pushed {
                log.push(told(number as u32, ""), start());
            }
            let expected: Vec<_> = (from + 1..=pushed).collect();
            prop_assert_eq!(numbers(&log, from), expected);
            prop_assert_eq!(log.reaches(place(from)), from <= pushed);
        }
    }
}
