//! Updates that came before the creation of their post (spec/feed.md rule 5).

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::PostId;

use crate::change::Touch;

/// How long an update waits for its post.
const HOURS: i64 = 24;
/// How many wait at most; the oldest goes first.
const MOST: usize = 10_000;

/// The newest update of each unknown post.
#[derive(Debug, Default)]
pub(super) struct Held {
    by_post: HashMap<PostId, Touch>,
    arrivals: VecDeque<(DateTime<Utc>, PostId)>,
}

impl Held {
    /// Keeps the update unless a later one waits already.
    pub(super) fn put(&mut self, touch: Touch, now: DateTime<Utc>) {
        self.expire(now);
        match self.by_post.get_mut(&touch.id) {
            Some(waiting) if waiting.order >= touch.order => {}
            Some(waiting) => *waiting = touch,
            None => {
                self.arrivals.push_back((now, touch.id));
                self.by_post.insert(touch.id, touch);
            }
        }
        while self.by_post.len() > MOST {
            self.drop_oldest();
        }
    }

    /// The update that waits for this post.
    pub(super) fn take(&mut self, id: PostId, now: DateTime<Utc>) -> Option<Touch> {
        self.expire(now);
        let touch = self.by_post.remove(&id)?;
        self.arrivals.retain(|(_, waiting)| *waiting != id);
        Some(touch)
    }

    fn expire(&mut self, now: DateTime<Utc>) {
        while self
            .arrivals
            .front()
            .is_some_and(|(since, _)| *since + TimeDelta::hours(HOURS) <= now)
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, id)) = self.arrivals.pop_front() {
            self.by_post.remove(&id);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_post.len()
    }
}
