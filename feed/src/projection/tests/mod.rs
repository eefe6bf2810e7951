//! The rules of spec/feed.md section 5.1, one by one.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::PostState;
use contracts::{Audience, PostId, UserId};

use super::*;
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
        let order = Order {
            version: at.timestamp_millis(),
            rank,
        };
        let change = match rank {
            0 => Change::Post {
                post: post(number, 0, &["school"]),
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
        let order = Order { version, rank: 0 };
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

#[test]
fn a_late_update_and_a_replay_cannot_revive_a_deleted_post() {
    let mut stream = Stream::new(10);
    assert_eq!(stream.version(1, 1), Effect::Applied);
    assert_eq!(stream.gone(1, 3), Effect::Applied);
    assert_eq!(stream.version(1, 2), Effect::Unchanged);
    assert_eq!(stream.version(1, 1), Effect::Unchanged);
    assert_eq!(stream.items(&["school"]), []);
    assert_eq!(stream.projection.version(id(1)), Some(3));
}

#[test]
fn an_edit_keeps_id_time_and_place() {
    let mut stream = Stream::new(10);
    for (number, minute) in [(1, 0), (2, 1), (3, 2)] {
        stream.put(&post(number, minute, &["school"]));
    }
    let mut edited = post(2, 1, &["school"]);
    (edited.title, edited.version, edited.edited_at) = ("New".to_owned(), 2, Some(stream.now));
    stream.put(&edited);
    let items = stream.items(&["school"]);
    assert_eq!(
        items.iter().map(|item| item.post_id).collect::<Vec<_>>(),
        [id(3), id(2), id(1)]
    );
    assert_eq!(
        (
            items[1].title.as_str(),
            items[1].event_type.as_str(),
            items[1].version
        ),
        ("New", "post.updated", 2)
    );
    assert_eq!(
        (items[1].timestamp, items[1].edited_at),
        (start() + TimeDelta::minutes(1), Some(stream.now))
    );
    assert_eq!(items[0].event_type, "post.created");
}

#[test]
fn a_changed_audience_leaves_one_stays_in_one_and_joins_one_at_its_old_time() {
    let mut stream = Stream::new(10);
    stream.put(&post(1, 0, &["role:teacher", "school"]));
    stream.put(&post(2, 5, &["user:1"]));
    let mut moved = post(1, 0, &["school", "user:1"]);
    moved.version = 2;
    stream.put(&moved);
    assert_eq!(stream.ids(&["role:teacher"]), []);
    assert_eq!(stream.ids(&["school"]), [id(1)]);
    assert_eq!(stream.ids(&["user:1"]), [id(2), id(1)]);
}

#[test]
fn a_reader_is_told_no_audience_of_others() {
    let mut stream = Stream::new(10);
    stream.put(&post(1, 0, &["school", "user:1", "user:2"]));
    assert_eq!(
        stream.items(&["school", "user:1"])[0].audience,
        ["school", "user:1"].map(|key| key.parse::<Audience>().unwrap())
    );
    assert_eq!(
        stream.items(&["user:2"])[0].audience,
        [Audience::User(UserId(2))]
    );
}

#[test]
fn of_foreign_messages_of_one_millisecond_deleted_beats_updated_beats_created() {
    for order in [
        [0, 1, 2],
        [2, 1, 0],
        [1, 0, 2],
        [1, 2, 0],
        [0, 2, 1],
        [2, 0, 1],
    ] {
        let mut stream = Stream::new(10);
        for rank in order {
            stream.foreign(1, 0, rank);
        }
        assert_eq!(stream.items(&["school"]), [], "{order:?}");
    }
    for order in [[0, 1], [1, 0]] {
        let mut stream = Stream::new(10);
        for rank in order {
            stream.foreign(1, 0, rank);
        }
        assert_eq!(
            stream.items(&["school"])[0].event_type,
            "post.updated",
            "{order:?}"
        );
    }
}

#[test]
fn a_foreign_update_waits_a_day_for_its_creation_and_no_longer() {
    for (hours, event_type) in [(23, "post.updated"), (24, "post.created")] {
        let mut stream = Stream::new(10);
        assert_eq!(stream.foreign(1, 5, 1), Effect::Held);
        assert_eq!(stream.items(&["school"]), []);
        stream.now += TimeDelta::hours(hours);
        assert_eq!(stream.foreign(1, 0, 0), Effect::Applied);
        assert_eq!(stream.items(&["school"])[0].event_type, event_type);
    }
}

#[test]
fn of_ten_thousand_and_one_waiting_updates_the_oldest_is_dropped() {
    let mut stream = Stream::new(10);
    for number in 1..=10_001 {
        stream.foreign(number, 5, 1);
    }
    assert_eq!(stream.projection.held.len(), 10_000);
    stream.foreign(1, 0, 0);
    stream.foreign(2, 0, 0);
    let types: Vec<_> = stream
        .items(&["school"])
        .into_iter()
        .map(|item| item.event_type)
        .collect();
    assert_eq!(types, ["post.updated", "post.created"]);
}

#[test]
fn what_the_owner_said_when_asked_includes_the_updates_that_waited() {
    let mut stream = Stream::new(10);
    stream.foreign(1, 5, 1);
    let asked = Change::owned(post(1, 0, &["school"]), stream.now, Source::Asked);
    assert_eq!(stream.projection.apply(asked, stream.now), Effect::Applied);
    assert_eq!(stream.items(&["school"])[0].version, 1);
    assert_eq!(stream.version(1, 2), Effect::Applied);
}

#[test]
fn nothing_dated_ahead_sits_on_top() {
    let mut stream = Stream::new(10);
    let mut ahead = post(1, 0, &["school"]);
    ahead.published_at = stream.now + TimeDelta::seconds(61);
    stream.put(&ahead);
    let mut nearly = post(2, 0, &["school"]);
    nearly.published_at = stream.now + TimeDelta::seconds(60);
    stream.put(&nearly);
    let items = stream.items(&["school"]);
    assert_eq!(
        (items[0].post_id, items[0].timestamp),
        (id(2), nearly.published_at)
    );
    assert_eq!((items[1].post_id, items[1].timestamp), (id(1), stream.now));
}

#[test]
fn a_window_keeps_the_newest_and_an_update_of_what_fell_out_does_not_bring_it_back() {
    let mut stream = Stream::new(2);
    for (number, minute) in [(1, 0), (2, 1), (3, 2)] {
        stream.put(&post(number, minute, &["school"]));
    }
    assert_eq!(stream.ids(&["school"]), [id(3), id(2)]);
    // A free place is no reason: between it and the floor there may be older posts that only the owner knows.
    stream.gone(3, 2);
    let mut edited = post(1, 0, &["school"]);
    (edited.version, edited.edited_at) = (2, Some(stream.now));
    stream.put(&edited);
    assert_eq!(stream.ids(&["school"]), [id(2)]);
    assert_eq!(stream.projection.version(id(1)), Some(2));
    let (part, _) = stream.part(Start::Skip(0), 2, &["school"]);
    assert_eq!(
        part.rest.map(|rest| rest.below),
        Some(Position::new(start() + TimeDelta::minutes(1), id(2)))
    );
}

#[test]
fn an_update_that_carries_the_state_of_an_unknown_post_is_as_good_as_its_creation() {
    let mut stream = Stream::new(2);
    assert_eq!(stream.version(1, 5), Effect::Applied);
    assert_eq!(stream.items(&["school"])[0].version, 5);
}

#[test]
fn bodies_that_no_window_holds_are_given_up() {
    let mut stream = Stream::new(3);
    for number in 1..=50 {
        stream.put(&post(number, i64::from(number), &["school", "role:member"]));
    }
    let figures = stream.projection.figures();
    assert_eq!((figures.items, figures.timelines), (3, 2));
    for number in 48..=50 {
        stream.gone(number, 9);
    }
    let figures = stream.projection.figures();
    assert_eq!((figures.items, figures.bytes), (0, 0));
}

#[test]
fn ends_and_versions_are_forgotten_when_no_event_of_them_can_come_any_more() {
    let mut stream = Stream::new(1);
    stream.gone(1, 3);
    for number in 2..=9 {
        stream.put(&post(number, i64::from(number), &["school"]));
    }
    assert_eq!(stream.projection.aggregates.len(), 9);
    stream.now += TimeDelta::days(8);
    stream.put(&post(10, 99, &["school"]));
    assert_eq!(
        stream.projection.aggregates.len(),
        2,
        "the one that is shown, and the one it pushed out"
    );
    assert_eq!(stream.projection.remembered.len(), 1);
}

#[test]
fn a_pinned_post_stands_first_on_the_first_page_once_and_then_at_its_place_again() {
    let mut stream = Stream::new(3);
    let mut pinned = post(1, 0, &["school", "user:1"]);
    pinned.pinned_until = Some(stream.now + TimeDelta::hours(1));
    stream.put(&pinned);
    for number in 2..=4 {
        stream.put(&post(number, i64::from(number), &["school"]));
    }
    // Out of the window of the school by now, and first all the same.
    assert_eq!(
        stream.ids(&["school", "user:1"]),
        [id(1), id(4), id(3), id(2)]
    );
    let (first, query) = stream.part(Start::Skip(0), 2, &["school"]);
    let first: page::StreamPage = serde_json::from_slice(&page::close(&first, &query)).unwrap();
    assert_eq!(
        first
            .items
            .iter()
            .map(|item| item.post_id)
            .collect::<Vec<_>>(),
        [id(1), id(4)]
    );
    let after = Start::After(Position::from_cursor(&first.next_cursor.unwrap()).unwrap());
    let (second, _) = stream.part(after, 9, &["school"]);
    assert_eq!(
        (second.count, second.rest.unwrap().except),
        (2, vec![id(1)])
    );
    stream.now += TimeDelta::hours(1);
    stream.put(&post(5, 5, &["user:9"]));
    assert_eq!(stream.ids(&["school"]), [id(4), id(3), id(2)]);
    assert_eq!(stream.ids(&["user:1"]), [id(1)]);
}

#[test]
fn a_page_full_of_pinned_posts_goes_on_at_the_top() {
    let mut stream = Stream::new(9);
    for number in 1..=3 {
        let mut pinned = post(number, i64::from(number), &["school"]);
        pinned.pinned_until = (number != 2).then(|| stream.now + TimeDelta::hours(1));
        stream.put(&pinned);
    }
    let (first, query) = stream.part(Start::Skip(0), 2, &["school"]);
    let first: page::StreamPage = serde_json::from_slice(&page::close(&first, &query)).unwrap();
    assert_eq!(
        first
            .items
            .iter()
            .map(|item| item.post_id)
            .collect::<Vec<_>>(),
        [id(3), id(1)]
    );
    let after = Start::After(Position::from_cursor(&first.next_cursor.unwrap()).unwrap());
    let (second, _) = stream.part(after, 2, &["school"]);
    assert_eq!(
        (second.count, second.last.map(|last| last.id), second.more),
        (1, Some(id(2)), false)
    );
}

#[test]
fn a_new_name_is_shown_on_old_items_and_an_older_one_changes_nothing() {
    let mut stream = Stream::new(9);
    stream.put(&post(1, 0, &["school"]));
    let mut nameless = post(2, 1, &["school"]);
    (nameless.user_id, nameless.username) = (UserId(8), String::new());
    stream.put(&nameless);
    for (name, version) in [("inés \"the\" k", 4), ("old", 3)] {
        let change = Change::Name {
            user: UserId(7),
            name: name.to_owned(),
            version,
        };
        stream.projection.apply(change, stream.now);
    }
    let names: Vec<_> = stream
        .items(&["school"])
        .into_iter()
        .map(|item| item.username)
        .collect();
    assert_eq!(names, ["User 8", "inés \"the\" k"]);
}

#[test]
fn a_post_that_is_hidden_or_for_nobody_is_no_item_until_it_is_again() {
    let mut stream = Stream::new(9);
    let mut changing = post(1, 0, &["school"]);
    stream.put(&changing);
    for (state, audience, shown) in [
        ("hidden", "school", 0),
        ("published", "school", 1),
        ("published", "", 0),
    ] {
        changing.version += 1;
        changing.state = state.to_owned();
        changing.audience = audience.parse().into_iter().collect();
        stream.put(&changing);
        assert_eq!(stream.items(&["school"]).len(), shown, "{state} {audience}");
    }
}

#[test]
fn the_total_counts_what_is_in_several_audiences_once() {
    let mut stream = Stream::new(100);
    for number in 0..60 {
        let audience = match number {
            0..35 => vec!["school"],
            35..40 => vec!["school", "role:member"],
            _ => vec!["role:member"],
        };
        stream.put(&post(number + 1, i64::from(number), &audience));
    }
    let (_, query) = stream.part(Start::Skip(0), 1, &["school", "role:member"]);
    assert_eq!(stream.projection.total(&query.scope, &query.filter), 60);
}
