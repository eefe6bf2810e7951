//! What a change does to a post (spec/feed.md section 5.1).

use chrono::{DateTime, Utc};
use contracts::PostId;
use contracts::events::PostState;

use super::Projection;
use super::entry::{Aggregate, Entry};
use crate::change::{Effect, Order, Source, Touch};
use crate::item::Item;

impl Projection {
    pub(super) fn post(
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
        // What the owner says of a post that only foreign messages told of says its place too.
        if let Some(old) = old.as_ref().filter(|old| old.stated.owned == order.owned) {
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
            item.overlay(touch);
        }
        let place = (item.position(), item.user_id);
        self.take_out(id, old.as_deref(), &item.audience);
        if post.state == crate::PUBLISHED && !item.audience.is_empty() {
            if old
                .as_ref()
                .is_some_and(|old| (old.position(id), old.user) != place)
            {
                self.leave(id, old.as_deref());
            }
            let kept_until = (!order.owned).then(|| arrived + self.limits.remember);
            let entry = Entry::new(&item, order, touched).kept_until(kept_until);
            self.put_in(entry, &item, now);
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

    pub(super) fn touch(&mut self, touch: Touch, now: DateTime<Utc>) -> Effect {
        let id = touch.id;
        match self.aggregates.get(&id) {
            Some(Aggregate::Live(entry)) => {
                if touch.order <= entry.order() {
                    return Effect::Unchanged;
                }
                let (stated, mut item) = (entry.stated, entry.body.item());
                item.overlay(&touch);
                let Some(Aggregate::Live(old)) = self.aggregates.remove(&id) else {
                    return Effect::Unchanged;
                };
                self.take_out(id, Some(&old), &item.audience);
                let entry = Entry::new(&item, stated, Some(touch)).kept_until(old.kept_until);
                self.put_in(entry, &item, now);
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

    pub(super) fn gone(
        &mut self,
        id: PostId,
        order: Order,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Effect {
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

    pub(super) fn remember(&mut self, id: PostId, aggregate: Aggregate, now: DateTime<Utc>) {
        self.aggregates.remove(&id);
        if let Some(since) = aggregate.since()
            && since + self.limits.remember > now
        {
            // Ends come with their own time, so the queue is nearly in order only; what is behind a later one is kept longer.
            self.remembered.push_back((since, id));
            self.aggregates.insert(id, aggregate);
        }
    }

    pub(super) fn forget(&mut self, now: DateTime<Utc>) {
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
