//! Windows that have room. After a removal a full window holds one item less than it may, and which one belongs there only
//! the owner knows (and, of foreign posts, this stream). It is asked, so that what a reader is told, the total above all, is
//! decided by what there is and not by what there was (spec/feed.md rule 24).

use chrono::{DateTime, Utc};
use contracts::events::PostState;
use contracts::{Audience, UserId};

use super::Projection;
use super::entry::{Aggregate, Entry};
use super::timeline::Timeline;
use crate::change::Order;
use crate::item::Item;
use crate::position::Position;

/// Whose window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Line {
    /// What is for this audience.
    Audience(Audience),
    /// What this person published.
    Person(UserId),
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Audience(key) => write!(f, "{key}"),
            Self::Person(user) => write!(f, "by:{user}"),
        }
    }
}

/// A window that has room for older items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Of which generation.
    pub generation: u64,
    /// Whose.
    pub line: Line,
    /// The items that are missing are below this place.
    pub below: Position,
    /// How many at most.
    pub room: usize,
    /// What was known below that place when this was said; more known meanwhile makes the answer worthless.
    pub(crate) refused: u64,
}

impl Projection {
    /// The windows that have room; `generation` is this stream's.
    pub(crate) fn gaps(&self, generation: u64) -> Vec<Gap> {
        let gap = |line: &Line| {
            let timeline = self.timeline(*line)?;
            Some(Gap {
                generation,
                line: *line,
                below: timeline.floor()?,
                room: timeline.room(self.limits.window),
                refused: timeline.refused(),
            })
        };
        self.thin.iter().filter_map(gap).collect()
    }

    /// Fills a window up with what the owner has below it, newest first; `end`: below these it has none. Tells whether the
    /// gap was still the one the owner was asked about; if not, nothing happens.
    pub(crate) fn refill(
        &mut self,
        gap: &Gap,
        found: &[PostState],
        end: bool,
        now: DateTime<Utc>,
    ) -> bool {
        let still = self.timeline(gap.line).is_some_and(|timeline| {
            (timeline.floor(), timeline.refused()) == (Some(gap.below), gap.refused)
                && timeline.room(self.limits.window) > 0
        });
        let lowest = found
            .last()
            .map(|post| Position::new(post.published_at, post.post_id));
        let down_to = if end { None } else { lowest };
        if !still || (!end && lowest.is_none()) {
            return false;
        }
        let mut missing = self.foreign_below(gap, down_to);
        missing.extend(found.iter().map(|post| {
            let position = Position::new(post.published_at, post.post_id);
            (position, Some(post))
        }));
        missing.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
        let (mut places, mut left) = (Vec::new(), missing.len());
        let room = self
            .timeline(gap.line)
            .map_or(0, |timeline| timeline.room(self.limits.window));
        for (position, post) in missing {
            if places.len() == room {
                break;
            }
            left -= 1;
            if post.is_none_or(|post| self.take_back(post, gap.line, now)) {
                places.push(position);
            }
        }
        let floor = if left == 0 {
            down_to
        } else {
            places.last().copied()
        };
        self.change_line(gap.line, |timeline| timeline.refill(&places, floor));
        true
    }

    /// Foreign posts of this window down to a place: the owner does not know them.
    fn foreign_below<'a>(
        &self,
        gap: &Gap,
        down_to: Option<Position>,
    ) -> Vec<(Position, Option<&'a PostState>)> {
        let below = self.foreign.range(..gap.below).rev();
        below
            .take_while(|position| down_to.is_none_or(|down_to| **position >= down_to))
            .filter(|position| {
                self.entry(position.id)
                    .is_some_and(|entry| belongs(entry, gap.line))
            })
            .map(|position| (*position, None))
            .collect()
    }

    /// Whether the post belongs to the window as far as is known here; then its body is kept. What an event tells of that is
    /// still to come is left to the event: it may be news to somebody, and only an event is told to live readers.
    fn take_back(&mut self, post: &PostState, line: Line, now: DateTime<Utc>) -> bool {
        let (id, order) = (post.post_id, Order::owned(post.version));
        let item = Item::of(post, now);
        let position = Position::new(post.published_at, id);
        match self.aggregates.get(&id) {
            Some(Aggregate::Live(entry)) => {
                return entry.stated.owned
                    && belongs(entry, line)
                    && entry.position(id) == position;
            }
            Some(Aggregate::Off { order: known, .. }) if *known == order => {}
            Some(_) => return false,
            // Of what changed lately something is remembered, so this has not, or its event is still to come.
            None => {
                let changed = post.edited_at.unwrap_or(post.published_at);
                if changed.max(post.published_at) + self.limits.remember > now {
                    return false;
                }
            }
        }
        if item.position() != position {
            return false;
        }
        self.keep_body(id, Entry::new(&item, order, None));
        true
    }

    fn timeline(&self, line: Line) -> Option<&Timeline> {
        match line {
            Line::Audience(key) => self.timelines.get(&key),
            Line::Person(user) => self.people.get(&user),
        }
    }
}

fn belongs(entry: &Entry, line: Line) -> bool {
    match line {
        Line::Audience(key) => entry.audiences.contains(&key),
        Line::Person(user) => entry.user == user,
    }
}
