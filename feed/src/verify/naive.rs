//! The windows made naively: all posts there are, sorted, cut. Nothing of the stream's own making is used but how a post is
//! written as an item.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contracts::events::PostState;
use contracts::{Audience, PostId};

use crate::change::{Change, Order, Source, Touch};
use crate::item::{Body, Item};
use crate::position::Position;
use crate::projection::{Kept, Line};

/// What there is, by post.
pub(super) struct Naive {
    window: usize,
    known: HashMap<PostId, Known>,
    /// Posts of the export so far, by window: whoever is twice below what any window holds need not be kept, only known of.
    seen: HashMap<Line, usize>,
    /// Posts taken for given.
    pub(super) adopted: usize,
}

#[derive(Default)]
struct Known {
    order: Option<Order>,
    /// With when it came here; `None`: gone, not shown, or far below every window.
    post: Option<(Box<PostState>, DateTime<Utc>)>,
    touch: Option<Touch>,
}

/// An item as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Should {
    pub(super) position: Position,
    pub(super) json: std::sync::Arc<[u8]>,
}

impl Naive {
    pub(super) fn new(window: usize) -> Self {
        Self {
            window: window.max(1),
            known: HashMap::new(),
            seen: HashMap::new(),
            adopted: 0,
        }
    }

    pub(super) fn take(&mut self, change: Change) {
        match change {
            Change::Post {
                post,
                order,
                arrived,
                source,
            } => {
                let wanted = self.wanted(&post, source);
                let known = self.known.entry(post.post_id).or_default();
                if known.order.is_none_or(|known| known < order) {
                    known.order = Some(order);
                    known.post = Some((post, arrived)).filter(|_| wanted);
                }
            }
            Change::Gone { id, order, .. } => {
                let known = self.known.entry(id).or_default();
                if known.order.is_none_or(|known| known < order) {
                    known.order = Some(order);
                    known.post = None;
                }
            }
            Change::Touch(touch) => {
                let known = self.known.entry(touch.id).or_default();
                if known
                    .touch
                    .as_ref()
                    .is_none_or(|known| known.order < touch.order)
                {
                    known.touch = Some(touch);
                }
            }
            Change::Rights { .. } | Change::Name { .. } => {}
        }
    }

    /// The export comes newest first.
    fn wanted(&mut self, post: &PostState, source: Source) -> bool {
        if post.state != crate::PUBLISHED || post.audience.is_empty() {
            return false;
        }
        if source != Source::Export {
            return true;
        }
        let mut wanted = false;
        for line in lines(&post.audience, Line::Person(post.user_id)) {
            let seen = self.seen.entry(line).or_default();
            *seen += 1;
            wanted |= *seen <= 2 * self.window;
        }
        wanted
    }

    /// Takes a foreign post for given that is shown and that nobody knows any more.
    pub(super) fn adopt(&mut self, kept: &Kept) {
        let known = self.known.get(&kept.id);
        if kept.owned || known.is_some_and(|known| known.order.is_some()) {
            return;
        }
        let item = kept.body.item();
        let known = self.known.entry(kept.id).or_default();
        (known.order, known.touch) = (Some(Order::foreign(item.version, 0)), None);
        let arrived = item.timestamp;
        known.post = Some((Box::new(item.state()), arrived));
        self.adopted += 1;
    }

    /// Every window as it should be, newest first.
    pub(super) fn windows(&self, public: bool) -> HashMap<Line, Vec<Should>> {
        let mut windows: HashMap<Line, Vec<Should>> = HashMap::new();
        for known in self.known.values() {
            let (Some(order), Some((post, arrived))) = (known.order, &known.post) else {
                continue;
            };
            let mut item = Item::of(post, *arrived);
            if let Some(touch) = known.touch.as_ref().filter(|touch| touch.order > order) {
                item.overlay(touch);
            }
            let should = Should {
                position: item.position(),
                json: Body::of(&item).json().into(),
            };
            for line in lines(&item.audience, Line::Person(item.user_id)) {
                if public || line != Line::Audience(Audience::Public) {
                    windows.entry(line).or_default().push(should.clone());
                }
            }
        }
        for window in windows.values_mut() {
            window.sort_unstable_by_key(|should| std::cmp::Reverse(should.position));
            window.truncate(self.window);
        }
        windows
    }
}

fn lines(audience: &[Audience], by: Line) -> Vec<Line> {
    let mut lines: Vec<_> = audience.iter().map(|key| Line::Audience(*key)).collect();
    lines.push(by);
    lines.sort_unstable();
    lines.dedup();
    lines
}
