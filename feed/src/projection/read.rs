//! Pages out of memory.

use chrono::{DateTime, Utc};
use contracts::events::PostState;
use contracts::{Audience, PostId, UserId};

use super::Projection;
use super::entry::{Aggregate, Entry};
use super::merge::Merge;
use super::timeline::Timeline;
use crate::live::meets;
use crate::position::Position;
use crate::query::{Figures, Filter, Part, Query, Rest, Scope, Start};

/// The timelines of a reader that there are, and the newest change among them: equal set and stamp mean equal pages.
pub(crate) struct Selection {
    /// Sorted. Audiences nobody ever wrote to are not in it, so that most readers share theirs.
    pub(crate) audiences: Vec<Audience>,
    /// Never the same for two states.
    pub(crate) stamp: u64,
}

impl Projection {
    /// Which of the audiences have a timeline, and their state.
    pub(crate) fn select(&self, audiences: &[Audience]) -> Selection {
        let mut stamp = self.names.generation;
        let known = |audience: &Audience| {
            let timeline = self.timelines.get(audience)?;
            stamp = stamp.max(timeline.generation);
            Some(*audience)
        };
        Selection {
            audiences: audiences.iter().filter_map(known).collect(),
            stamp,
        }
    }

    /// One page, as far down as all of the timelines it is made of are complete. `total` is filled by the caller.
    pub(crate) fn page(&self, query: &Query, now: DateTime<Utc>) -> Part {
        let timelines = self.timelines_of(&query.scope);
        let reader = match &query.scope {
            Scope::Audiences(audiences) => Some(audiences.as_slice()),
            Scope::By(_) => None,
        };
        let floor = timelines
            .iter()
            .filter_map(|timeline| timeline.floor())
            .max();
        let mut page = Writer {
            projection: self,
            reader,
            part: Part::default(),
        };
        let mut pins = self.pins(&timelines, &query.filter, now);
        if matches!(query.scope, Scope::By(_)) {
            pins.clear();
        }
        page.part.until = pins
            .iter()
            .filter_map(|pin| self.entry(pin.id)?.pinned_until)
            .min();
        let mut skip = query.skip();
        let before = match query.start {
            Start::Skip(_) => {
                for pin in pins.iter().skip(skip).take(query.limit) {
                    page.write(*pin);
                }
                page.part.more = pins.len() > skip + query.limit;
                skip = skip.saturating_sub(pins.len());
                None
            }
            Start::After(position) => {
                // Those that did not fit into the first page are at their place.
                pins.truncate(query.limit);
                Some(position)
            }
        };
        let upper = query.filter.to.map(Position::first_at);
        let upper = before.into_iter().chain(upper).min();
        let lower = query.filter.from.map(Position::first_at);
        let down_to = floor.into_iter().chain(lower).max();
        for position in Merge::new(
            timelines.iter().map(|timeline| timeline.ids()),
            upper,
            down_to,
        ) {
            if page.part.more {
                break;
            }
            if pins.contains(&position) || !self.passes(position.id, &query.filter) {
                continue;
            }
            if skip > 0 {
                skip -= 1;
            } else if page.part.count < query.limit {
                page.write(position);
                page.part.last = Some(position);
            } else {
                page.part.more = true;
            }
        }
        let mut part = page.part;
        // With a lower bound at or above the floor nothing that is asked for is below it.
        if let Some(floor) = floor
            && !part.more
            && lower.is_none_or(|lower| lower < floor)
        {
            let except = pins.iter().map(|pin| pin.id).collect();
            part.rest = Some(Rest {
                below: upper.map_or(floor, |upper| upper.min(floor)),
                skip,
                except,
            });
        }
        part
    }

    /// Distinct items of the timelines' windows that pass.
    pub(crate) fn total(&self, scope: &Scope, filter: &Filter) -> usize {
        let timelines = self.timelines_of(scope);
        if filter.is_open()
            && let [timeline] = timelines.as_slice()
        {
            return timeline.len();
        }
        let upper = filter.to.map(Position::first_at);
        let lower = filter.from.map(Position::first_at);
        let merged = Merge::new(
            timelines.iter().map(|timeline| timeline.ids()),
            upper,
            lower,
        );
        merged
            .filter(|position| self.passes(position.id, filter))
            .count()
    }

    /// The version of a post that is applied, its end included.
    #[must_use]
    pub fn version(&self, id: PostId) -> Option<i64> {
        self.aggregates.get(&id).map(Aggregate::version)
    }

    /// The version of an account whose name is applied.
    #[must_use]
    pub fn name_version(&self, user: UserId) -> Option<i64> {
        self.names.version(user)
    }

    /// An author's name today as JSON, if an account or a profile told it.
    #[must_use]
    pub fn name_of(&self, user: UserId) -> Option<&str> {
        self.names.json(user)
    }

    /// What it holds.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures {
            published: true,
            timelines: self.timelines.len(),
            items: self.items,
            bytes: self.bytes,
            applied: self.marks.clone(),
            last_event_at: self.last_event_at,
            prefix: String::new(),
        }
    }

    /// Foreign posts of this scope below a place, newest first: pages from the owner lack them.
    pub(crate) fn foreign(&self, query: &Query, below: Position, limit: usize) -> Vec<PostState> {
        let upper = query
            .filter
            .to
            .map_or(below, |to| below.min(Position::first_at(to)));
        let lower = query.filter.from.map(Position::first_at);
        let in_scope = |entry: &Entry| match &query.scope {
            Scope::Audiences(audiences) => meets(&entry.audiences, audiences),
            Scope::By(user) => entry.user == *user,
        };
        let newest_first = self.foreign.range(..upper).rev();
        newest_first
            .take_while(|position| lower.is_none_or(|lower| **position >= lower))
            .filter(|position| self.passes(position.id, &query.filter))
            .filter_map(|position| self.entry(position.id))
            .filter(|entry| in_scope(entry))
            .take(limit)
            .map(|entry| entry.body.item().state())
            .collect()
    }

    /// Every item in the timelines of these audiences, once for each, with all its audiences.
    pub(crate) fn shown_in<'a>(
        &'a self,
        audiences: impl Iterator<Item = &'a Audience>,
    ) -> impl Iterator<Item = (PostId, &'a [Audience])> {
        let timelines = audiences.filter_map(|key| self.timelines.get(key));
        timelines
            .flat_map(|timeline| timeline.ids().iter().chain(timeline.pins()))
            .filter_map(|position| Some((position.id, &*self.entry(position.id)?.audiences)))
    }

    fn timelines_of(&self, scope: &Scope) -> Vec<&Timeline> {
        match scope {
            Scope::Audiences(audiences) => audiences
                .iter()
                .filter_map(|key| self.timelines.get(key))
                .collect(),
            Scope::By(user) => self.people.get(user).into_iter().collect(),
        }
    }

    /// What is listed first, newest first.
    fn pins(&self, timelines: &[&Timeline], filter: &Filter, now: DateTime<Utc>) -> Vec<Position> {
        let all = timelines
            .iter()
            .flat_map(|timeline| timeline.pins().iter().copied());
        let holds = |position: &Position| {
            let still = self
                .entry(position.id)
                .is_some_and(|entry| entry.pinned_until.is_some_and(|until| until > now));
            let after = filter.from.is_none_or(|from| position.at >= from);
            let before = filter.to.is_none_or(|to| position.at < to);
            still && after && before && self.passes(position.id, filter)
        };
        let mut pins: Vec<_> = all.filter(holds).collect();
        pins.sort_unstable_by(|a, b| b.cmp(a));
        pins.dedup();
        pins
    }

    pub(super) fn entry(&self, id: PostId) -> Option<&Entry> {
        match self.aggregates.get(&id) {
            Some(Aggregate::Live(entry)) => Some(entry),
            _ => None,
        }
    }

    fn passes(&self, id: PostId, filter: &Filter) -> bool {
        let Some(tag) = &filter.tag else { return true };
        self.entry(id)
            .is_some_and(|entry| entry.tags.iter().any(|have| **have == **tag))
    }
}

struct Writer<'a> {
    projection: &'a Projection,
    reader: Option<&'a [Audience]>,
    part: Part,
}

impl Writer<'_> {
    fn write(&mut self, position: Position) {
        let Some(entry) = self.projection.entry(position.id) else {
            return;
        };
        if self.part.count > 0 {
            self.part.items.push(b',');
        }
        let name = self.projection.names.json(entry.user);
        entry
            .body
            .write(&mut self.part.items, name, &entry.audiences, self.reader);
        self.part.count += 1;
    }
}
