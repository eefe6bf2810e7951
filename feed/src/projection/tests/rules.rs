//! What a change does.

use chrono::TimeDelta;
use contracts::{Audience, UserId};

use super::*;

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
fn an_update_that_carries_the_state_of_an_unknown_post_is_as_good_as_its_creation() {
    let mut stream = Stream::new(2);
    assert_eq!(stream.version(1, 5), Effect::Applied);
    assert_eq!(stream.items(&["school"])[0].version, 5);
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
            from: NameSource::Account,
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
fn a_display_name_stands_above_the_accounts_in_whatever_order_both_are_told() {
    let name = |from, name: &str, version| Change::Name {
        user: UserId(7),
        from,
        name: name.to_owned(),
        version,
    };
    let told = [
        name(NameSource::Account, "ines", 8),
        name(NameSource::Account, "old", 7),
        name(NameSource::Profile, "Ines Roy", 2),
        name(NameSource::Profile, "older", 1),
    ];
    for first in 0..told.len() {
        let mut stream = Stream::new(9);
        stream.put(&post(1, 0, &["school"]));
        for i in 0..told.len() {
            let change = told[(first + i) % told.len()].clone();
            stream.projection.apply(change, stream.now);
        }
        assert_eq!(stream.items(&["school"])[0].username, "Ines Roy");
        assert_eq!(stream.projection.name_version(UserId(7)), Some(8));
    }
}
