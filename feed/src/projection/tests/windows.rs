//! What is kept, and what stands first.

use chrono::TimeDelta;

use super::*;

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
