//! Into which windows a post goes, out of which it falls, and what is kept of it then.

use std::collections::HashMap;
use std::hash::Hash;

use chrono::{DateTime, Utc};
use contracts::{Audience, PostId};

use super::Projection;
use super::entry::{Aggregate, Entry};
use super::gaps::Line;
use super::timeline::Timeline;
use crate::item::Item;
use crate::position::Position;

/// Foreign posts kept at most outside of the windows: nobody else has them.
const FOREIGN: usize = 10_000;

impl Projection {
    /// Takes a changing post out of the audiences it leaves, and its old body out of the sums.
    pub(super) fn take_out(&mut self, id: PostId, old: Option<&Entry>, stays_in: &[Audience]) {
        let Some(old) = old else { return };
        let position = old.position(id);
        self.drop_body(old, position);
        for audience in old
            .audiences
            .iter()
            .filter(|audience| !stays_in.contains(audience))
        {
            self.change_line(Line::Audience(*audience), |line| line.remove(position));
        }
    }

    /// Takes a post that shows no longer, or elsewhere, out of everything.
    pub(super) fn leave(&mut self, id: PostId, old: Option<&Entry>) {
        let Some(old) = old else { return };
        let position = old.position(id);
        for audience in old.audiences.iter() {
            self.change_line(Line::Audience(*audience), |line| line.remove(position));
        }
        self.change_line(Line::Person(old.user), |line| line.remove(position));
    }

    /// Puts a post into the windows of its audiences and of its author, as far as it is new enough for them.
    pub(super) fn put_in(&mut self, entry: Entry, item: &Item, now: DateTime<Utc>) {
        let (id, position, window) = (item.post_id, item.position(), self.limits.window);
        let pinned = item.pinned_until.filter(|until| *until > now);
        self.pin_ends.extend(pinned.map(|until| (until, id)));
        let mut fallen = Vec::new();
        for audience in &item.audience {
            self.change_line(Line::Audience(*audience), |line| {
                fallen.extend(line.insert(position, window));
                if pinned.is_some() {
                    line.pin(position);
                } else {
                    line.unpin(position);
                }
            });
        }
        self.change_line(Line::Person(item.user_id), |line| {
            fallen.extend(line.insert(position, window));
        });
        if let Some(until) = entry.kept_until {
            self.foreign.insert(position);
            self.foreign_ends.insert((until, id));
        }
        self.keep_body(id, entry);
        for position in fallen {
            self.drop_if_unheld(position, now);
        }
        while self.foreign.len() > FOREIGN {
            let Some(oldest) = self.foreign.first().copied() else {
                break;
            };
            if !self.give_up(oldest, now) {
                break;
            }
        }
    }

    pub(super) fn keep_body(&mut self, id: PostId, entry: Entry) {
        self.items += 1;
        self.bytes += entry.body.json().len();
        self.aggregates.insert(id, Aggregate::Live(Box::new(entry)));
    }

    fn drop_body(&mut self, entry: &Entry, position: Position) {
        self.items -= 1;
        self.bytes -= entry.body.json().len();
        self.foreign.remove(&position);
    }

    pub(super) fn change_line(&mut self, line: Line, change: impl FnOnce(&mut Timeline)) {
        self.generation += 1;
        let (window, generation) = (self.limits.window, self.generation);
        let room = match line {
            Line::Audience(key) => change_in(&mut self.timelines, key, window, generation, change),
            Line::Person(user) => change_in(&mut self.people, user, window, generation, change),
        };
        if room {
            self.thin.insert(line);
        } else {
            self.thin.remove(&line);
        }
    }

    /// Gives up the body of a post that fell out of the last window that held it. A foreign one is kept for a while.
    pub(super) fn drop_if_unheld(&mut self, position: Position, now: DateTime<Utc>) {
        let kept = self
            .entry(position.id)
            .is_some_and(|entry| entry.kept_until.is_some_and(|until| until > now));
        if !kept {
            self.give_up(position, now);
        }
    }

    /// Gives up the body of a post that no window holds; tells whether it did.
    fn give_up(&mut self, position: Position, now: DateTime<Utc>) -> bool {
        if self
            .entry(position.id)
            .is_none_or(|entry| self.holds(entry, position))
        {
            return false;
        }
        let Some(Aggregate::Live(entry)) = self.aggregates.remove(&position.id) else {
            return false;
        };
        self.drop_body(&entry, position);
        let order = entry.stated;
        self.remember(position.id, Aggregate::Off { order, since: now }, now);
        true
    }

    fn holds(&self, entry: &Entry, position: Position) -> bool {
        let own = self.people.get(&entry.user);
        let timelines = entry.audiences.iter().map(|key| self.timelines.get(key));
        timelines
            .chain([own])
            .flatten()
            .any(|line| line.holds(position))
    }

    pub(super) fn end_pins(&mut self, now: DateTime<Utc>) {
        while let Some((until, id)) = self.pin_ends.first().copied()
            && until <= now
        {
            self.pin_ends.pop_first();
            let Some(entry) = self.entry(id) else {
                continue;
            };
            if entry.pinned_until != Some(until) {
                continue;
            }
            let (position, audiences) = (entry.position(id), entry.audiences.clone());
            for audience in audiences.iter() {
                self.change_line(Line::Audience(*audience), |line| line.unpin(position));
            }
            self.drop_if_unheld(position, now);
        }
    }

    pub(super) fn end_foreign(&mut self, now: DateTime<Utc>) {
        while let Some((until, id)) = self.foreign_ends.first().copied()
            && until <= now
        {
            self.foreign_ends.pop_first();
            let Some(entry) = self.entry(id) else {
                continue;
            };
            if entry.kept_until == Some(until) {
                let position = entry.position(id);
                self.drop_if_unheld(position, now);
            }
        }
    }
}

/// Changes a timeline, with one that is not there counting as empty; tells whether it has room.
fn change_in<K: Copy + Eq + Hash>(
    lines: &mut HashMap<K, Timeline>,
    key: K,
    window: usize,
    generation: u64,
    change: impl FnOnce(&mut Timeline),
) -> bool {
    let line = lines.entry(key).or_default();
    change(line);
    line.generation = generation;
    let room = line.room(window) > 0;
    if line.is_void() {
        lines.remove(&key);
    }
    room
}
