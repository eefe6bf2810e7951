//! The rules of spec/feed.md section 5.1, one by one.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::PostId;
use contracts::events::PostState;

use super::*;
use crate::change::{Order, Source, Touch};
use crate::item::Item;
use crate::owner::{id, post, start};
use crate::page;
use crate::query::{Filter, Part, Query, Scope, Start};

struct Stream {
    projection: Projection,
    now: DateTime<Utc>,
}

impl Stream {
    fn new(window: usize) -> Self {
        let limits = Limits {
            window,
            remember: TimeDelta::days(8),
        };
        Self {
            projection: Projection::new(limits),
            now: start() + TimeDelta::hours(12),
        }
    }

    fn put(&mut self, post: &PostState) -> Effect {
        self.projection
            .apply(Change::owned(post.clone(), self.now, Source::Bus), self.now)
    }

    fn version(&mut self, number: u32, version: i64) -> Effect {
        let mut post = post(number, 0, &["school"]);
        (post.version, post.edited_at) = (version, (version > 1).then_some(self.now));
        self.put(&post)
    }

    fn foreign(&mut self, number: u32, millis: i64, rank: u8) -> Effect {
        let at = start() + TimeDelta::milliseconds(millis);
        let order = Order::foreign(at.timestamp_millis(), rank);
        let change = match rank {
            0 => Change::Post {
                post: Box::new(post(number, 0, &["school"])),
                order,
                arrived: self.now,
                source: Source::Bus,
            },
            1 => Change::Touch(Touch {
                id: id(number),
                order,
                at,
                title: None,
                content: None,
            }),
            _ => Change::Gone {
                id: id(number),
                order,
                at,
            },
        };
        self.projection.apply(change, self.now)
    }

    fn gone(&mut self, number: u32, version: i64) -> Effect {
        let order = Order::owned(version);
        self.projection.apply(
            Change::Gone {
                id: id(number),
                order,
                at: self.now,
            },
            self.now,
        )
    }

    fn part(&self, start: Start, limit: usize, audiences: &[&str]) -> (Part, Query) {
        let audiences = audiences.iter().map(|key| key.parse().unwrap()).collect();
        let query = Query {
            scope: Scope::reader(audiences),
            filter: Filter::default(),
            start,
            limit,
        };
        (self.projection.page(&query, self.now), query)
    }

    fn items(&self, audiences: &[&str]) -> Vec<Item> {
        let (part, query) = self.part(Start::Skip(0), 100, audiences);
        serde_json::from_slice::<page::StreamPage>(&page::close(&part, &query))
            .unwrap()
            .items
    }

    fn ids(&self, audiences: &[&str]) -> Vec<PostId> {
        self.items(audiences)
            .into_iter()
            .map(|item| item.post_id)
            .collect()
    }
}

mod rules;
mod windows;
