//! The stream in memory: pure, without input or output, time as a parameter. What it holds is decided by the set of changes
//! it was given, not by their order or their number.

mod entry;
mod held;
mod merge;
mod names;
mod read;
mod timeline;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::PostState;
use contracts::{Audience, PostId, UserId};

use crate::change::{Change, Effect, Mark, Marks, NameSource, Order, Rights, Source, Touch};
use crate::item::Item;
use crate::live::{ItemTold, Shown, Told};
use crate::position::Position;
use entry::{Aggregate, Entry};
use held::Held;
use names::Names;
use timeline::Timeline;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The newest items per audience and per person; at least 1.
    pub window: usize,
    /// How long the end of a post, and the version of one that is in no window, are remembered: longer than its events are
    /// kept on the bus, so that no replay revives or misplaces it.
    pub remember: TimeDelta,
}

/// All timelines and bodies.
#[derive(Debug)]
pub struct Projection {
    limits: Limits,
    aggregates: HashMap<PostId, Aggregate>,
    timelines: HashMap<Audience, Timeline>,
    people: HashMap<UserId, Timeline>,
    names: Names,
    rights: HashMap<UserId, (i64, Rights)>,
    held: Held,
    /// Aggregates without a body, in the order in which they may be forgotten.
    remembered: VecDeque<(DateTime<Utc>, PostId)>,
    /// When pins end.
    pin_ends: BTreeSet<(DateTime<Utc>, PostId)>,
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
            names: Names::default(),
            rights: HashMap::new(),
            held: Held::default(),
            remembered: VecDeque::new(),
            pin_ends: BTreeSet::new(),
            marks: Marks::new(),
            generation: 0,
            items: 0,
            bytes: 0,
            last_event_at: None,
        }
    }

    /// Applies one change in one step.
    pub fn apply(&mut self, change: Change, now: DateTime<Utc>) -> Effect {
        self.apply_telling(change, now).0
    }

    /// The same, and what it is to live readers.
    pub(crate) fn apply_telling(
        &mut self,
        change: Change,
        now: DateTime<Utc>,
    ) -> (Effect, Option<Told>) {
        self.end_pins(now);
        self.forget(now);
        let id = change.post();
        let before = id.and_then(|id| self.told_of(id));
        let permitted = match &change {
            Change::Rights { user, .. } => self.rights_of(*user).map(|rights| (*user, rights)),
            _ => None,
        };
        let effect = self.change(change, now);
        if effect != Effect::Applied {
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
        match change {
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

    fn post(
        &mut self,
        post: &PostState,
        order: Order,
        arrived: DateTime<Utc>,
        source: Source,
        now: DateTime<Utc>,
    ) -> Effect {
        let id = post.post_id;
        let held = self.held.take(id, now).filter(|_| source != Source::Asked);
        if self
            .aggregates
            .get(&id)
            .is_some_and(|known| known.stated() >= order)
        {
            if let Some(held) = held {
                self.held.put(held, now);
            }
            return Effect::Unchanged;
        }
        let old = match self.aggregates.remove(&id) {
            Some(Aggregate::Live(old)) => Some(old),
            _ => None,
        };
        let mut item = Item::of(post, arrived);
        if let Some(old) = &old {
            item.timestamp = old.position(id).at;
        }
        // A foreign update newer than this state stays on top of it.
        let earlier = old.as_ref().and_then(|old| old.touched.as_deref().cloned());
        let touched = earlier
            .into_iter()
            .chain(held)
            .filter(|touch| touch.order > order)
            .max_by_key(|touch| touch.order);
        if let Some(touch) = &touched {
            entry::overlay(&mut item, touch);
        }
        self.take_out(id, old.as_deref(), &item.audience);
        if post.state == crate::PUBLISHED && !item.audience.is_empty() {
            self.put_in(Entry::new(&item, order, touched), &item, now);
        } else {
            self.leave(id, old.as_deref());
            self.remember(id, Aggregate::Off { order, since: now }, now);
        }
        if source == Source::Export {
            self.date_back(
                id,
                post.edited_at
                    .map_or(post.published_at, |edited| edited.max(post.published_at)),
                now,
            );
        }
        Effect::Applied
    }

    /// A post of the export that shows nowhere needs remembering only as long as its last events may still be on the bus;
    /// else the versions of all posts there ever were would be kept.
    fn date_back(&mut self, id: PostId, changed: DateTime<Utc>, now: DateTime<Utc>) {
        if matches!(self.aggregates.get(&id), Some(Aggregate::Off { .. }))
            && changed + self.limits.remember <= now
        {
            self.aggregates.remove(&id);
            self.remembered.pop_back();
        }
    }

    /// Takes a changing post out of the audiences it leaves, and its old body out of the sums.
    fn take_out(&mut self, id: PostId, old: Option<&Entry>, stays_in: &[Audience]) {
        let Some(old) = old else { return };
        self.items -= 1;
        self.bytes -= old.body.json().len();
        let position = old.position(id);
        for audience in old
            .audiences
            .iter()
            .filter(|audience| !stays_in.contains(audience))
        {
            self.change_timeline(*audience, |timeline| timeline.remove(position));
        }
    }

    /// Takes a post that shows no longer out of everything.
    fn leave(&mut self, id: PostId, old: Option<&Entry>) {
        let Some(old) = old else { return };
        let position = old.position(id);
        for audience in old.audiences.iter() {
            self.change_timeline(*audience, |timeline| timeline.remove(position));
        }
        let user = old.user;
        if let Some(person) = self.people.get_mut(&user) {
            person.remove(position);
            if person.is_void() {
                self.people.remove(&user);
            }
        }
    }

    /// Puts a post into the windows of its audiences and of its author, as far as it is new enough for them.
    fn put_in(&mut self, entry: Entry, item: &Item, now: DateTime<Utc>) {
        let (id, position, window) = (item.post_id, item.position(), self.limits.window);
        let pinned = item.pinned_until.filter(|until| *until > now);
        self.pin_ends.extend(pinned.map(|until| (until, id)));
        let mut fallen = Vec::new();
        for audience in &item.audience {
            self.change_timeline(*audience, |timeline| {
                fallen.extend(timeline.insert(position, window));
                if pinned.is_some() {
                    timeline.pin(position);
                } else {
                    timeline.unpin(position);
                }
            });
        }
        fallen.extend(
            self.people
                .entry(item.user_id)
                .or_default()
                .insert(position, window),
        );
        self.items += 1;
        self.bytes += entry.body.json().len();
        self.aggregates.insert(id, Aggregate::Live(Box::new(entry)));
        for position in fallen {
            self.drop_if_unheld(position, now);
        }
    }

    fn change_timeline(&mut self, audience: Audience, change: impl FnOnce(&mut Timeline)) {
        self.generation += 1;
        let timeline = self.timelines.entry(audience).or_default();
        change(timeline);
        timeline.generation = self.generation;
        if timeline.is_void() {
            self.timelines.remove(&audience);
        }
    }

    /// Gives up the body of a post that fell out of the last window that held it.
    fn drop_if_unheld(&mut self, position: Position, now: DateTime<Utc>) {
        let Some(Aggregate::Live(entry)) = self.aggregates.get(&position.id) else {
            return;
        };
        let by_audience = entry.audiences.iter().any(|key| {
            self.timelines
                .get(key)
                .is_some_and(|line| line.holds(position))
        });
        if by_audience
            || self
                .people
                .get(&entry.user)
                .is_some_and(|person| person.holds(position))
        {
            return;
        }
        let order = entry.stated;
        self.items -= 1;
        self.bytes -= entry.body.json().len();
        self.remember(position.id, Aggregate::Off { order, since: now }, now);
    }

    fn touch(&mut self, touch: Touch, now: DateTime<Utc>) -> Effect {
        let id = touch.id;
        match self.aggregates.get(&id) {
            Some(Aggregate::Live(entry)) => {
                if touch.order <= entry.order() {
                    return Effect::Unchanged;
                }
                let (stated, mut item) = (entry.stated, entry.body.item());
                entry::overlay(&mut item, &touch);
                let Some(Aggregate::Live(old)) = self.aggregates.remove(&id) else {
                    return Effect::Unchanged;
                };
                self.take_out(id, Some(&old), &item.audience);
                self.put_in(Entry::new(&item, stated, Some(touch)), &item, now);
                Effect::Applied
            }
            // Below every window: what it looks like is the owner's to say.
            Some(Aggregate::Off { .. }) => Effect::Unchanged,
            Some(Aggregate::Dead { .. }) => {
                self.held.put(touch, now);
                Effect::Unchanged
            }
            None => {
                self.held.put(touch, now);
                Effect::Held
            }
        }
    }

    fn gone(&mut self, id: PostId, order: Order, at: DateTime<Utc>, now: DateTime<Utc>) -> Effect {
        if self
            .aggregates
            .get(&id)
            .is_some_and(|known| known.stated() >= order)
        {
            return Effect::Unchanged;
        }
        if let Some(Aggregate::Live(old)) = self.aggregates.remove(&id) {
            self.take_out(id, Some(&old), &[]);
            self.leave(id, Some(&old));
            // Should the post come back by an earlier creation that is still on its way, the update is above that too.
            if let Some(touch) = old.touched.filter(|touch| touch.order > order) {
                self.held.put(*touch, now);
            }
        }
        self.remember(id, Aggregate::Dead { order, since: at }, now);
        Effect::Applied
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

    fn remember(&mut self, id: PostId, aggregate: Aggregate, now: DateTime<Utc>) {
        self.aggregates.remove(&id);
        if let Some(since) = aggregate.since()
            && since + self.limits.remember > now
        {
            // Ends come with their own time, so the queue is nearly in order only; what is behind a later one is kept longer.
            self.remembered.push_back((since, id));
            self.aggregates.insert(id, aggregate);
        }
    }

    fn end_pins(&mut self, now: DateTime<Utc>) {
        while let Some((until, id)) = self.pin_ends.first().copied()
            && until <= now
        {
            self.pin_ends.pop_first();
            let Some(Aggregate::Live(entry)) = self.aggregates.get(&id) else {
                continue;
            };
            if entry.pinned_until != Some(until) {
                continue;
            }
            let (position, audiences) = (entry.position(id), entry.audiences.clone());
            for audience in audiences.iter() {
                self.change_timeline(*audience, |timeline| timeline.unpin(position));
            }
            self.drop_if_unheld(position, now);
        }
    }

    fn forget(&mut self, now: DateTime<Utc>) {
        while let Some((since, id)) = self.remembered.front().copied()
            && since + self.limits.remember <= now
        {
            self.remembered.pop_front();
            // It may have come back, or have ended again later.
            if self
                .aggregates
                .get(&id)
                .is_some_and(|known| known.since() == Some(since))
            {
                self.aggregates.remove(&id);
            }
        }
    }
}
