//! The live stream, one promise after the other.

use std::sync::Arc;

use crate::support::owner::{id, post};
use crate::support::{Live, Seen, Setup, TestFeed};
use chrono::TimeDelta;
use contracts::testing::person;
use contracts::{Role, Roles, UserId, Verified};
use serde_json::json;

fn seen(event: &str, number: u32) -> (String, String) {
    (event.to_owned(), id(number).to_string())
}

/// What it is and of which item.
fn short(seen: &Seen) -> (String, String) {
    let id = seen.data["id"].as_str().unwrap_or_default();
    (seen.event.clone(), id.to_owned())
}

async fn next(live: &mut Live) -> (String, String) {
    short(&live.next().await.expect("the stream goes on"))
}

fn reset() -> (String, String) {
    ("reset".to_owned(), String::new())
}

#[tokio::test]
async fn what_happens_arrives_as_events_with_the_item_as_on_a_page() {
    let feed = TestFeed::start(Setup::default()).await;
    let who = person(9, &[Role::Teacher]);
    let response = feed.listen(&who, None).await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(response.headers()[name], value);
    }
    let mut live = Live::of(response);
    let mut changing = post(1, 0, &["school", "user:4"]);
    feed.publish(&changing).await;
    let item = live.next().await.unwrap();
    let (_, page) = feed.read("", Some(who.clone())).await;
    assert_eq!(
        (item.event.as_str(), &item.data),
        ("item", &page["items"][0])
    );
    assert_eq!(
        item.data["audience"],
        json!(["school"]),
        "no audience of others"
    );
    (changing.version, changing.title) = (2, "New".to_owned());
    feed.publish(&changing).await;
    let update = live.next().await.unwrap();
    let (_, page) = feed.read("", Some(who)).await;
    assert_eq!(
        (update.event.as_str(), &update.data),
        ("update", &page["items"][0])
    );
    feed.delete(id(1), 3).await;
    let gone = live.next().await.unwrap();
    let expected = json!({"id": id(1).to_string()});
    assert_eq!((gone.event.as_str(), gone.data), ("remove", expected));
}

#[tokio::test]
async fn the_bytes_on_the_wire_are_those_of_server_sent_events() {
    let feed = TestFeed::start(Setup::default()).await;
    let mut live = feed.live(&person(9, &[Role::Teacher]), None).await;
    let mut gone = post(1, 0, &["school"]);
    gone.title = "two\nlines".to_owned();
    feed.publish(&gone).await;
    feed.delete(id(1), 2).await;
    while !live.text.contains("event: remove") {
        assert!(live.more().await);
    }
    insta::assert_snapshot!(live.text, @r#"
    retry: 3000
    id: 1772481600000000-0

    event: item
    id: 1772481600000000-1
    data: {"post_id":"000000000000000000000001","user_id":7,"username":"ines","event_type":"post.created","timestamp":"2026-03-02T08:00:00Z","title":"two\nlines","content":"<p>Text 1</p>","id":"000000000000000000000001","kind":"post","aggregate":"post:000000000000000000000001","version":1,"audience":["school"],"tags":[],"edited_at":null,"pinned_until":null,"comment_count":0,"attachments":[]}

    event: remove
    id: 1772481600000000-2
    data: {"id":"000000000000000000000001"}
    "#);
}

#[tokio::test]
async fn a_change_is_what_it_is_to_each_reader() {
    let feed = TestFeed::start(Setup::default()).await;
    let mut pupil = feed.live(&person(1, &[Role::Student]), None).await;
    let mut teacher = feed.live(&person(2, &[Role::Teacher]), None).await;
    let mut moving = post(1, 0, &["role:teacher"]);
    feed.publish(&moving).await;
    (moving.version, moving.audience) = (2, vec!["school".parse().unwrap()]);
    feed.publish(&moving).await;
    (moving.version, moving.audience) = (3, vec!["role:student".parse().unwrap()]);
    feed.publish(&moving).await;
    feed.delete(id(1), 4).await;
    feed.publish(&post(2, 1, &["school"])).await;
    for expected in ["item", "update", "remove"] {
        assert_eq!(next(&mut teacher).await, seen(expected, 1));
    }
    for expected in ["item", "update", "remove"] {
        assert_eq!(next(&mut pupil).await, seen(expected, 1));
    }
    for live in [&mut pupil, &mut teacher] {
        assert_eq!(
            next(live).await,
            seen("item", 2),
            "and nothing of what was for others"
        );
    }
}

#[tokio::test]
async fn who_comes_back_is_told_what_was_missed_even_before_the_first_event() {
    let feed = TestFeed::start(Setup::default()).await;
    let who = person(9, &[Role::Teacher]);
    feed.publish(&post(1, 0, &["school"])).await;
    let mut live = feed.live(&who, None).await;
    assert!(live.more().await, "the place comes first");
    feed.publish(&post(2, 1, &["school"])).await;
    assert_eq!(next(&mut live).await, seen("item", 2));
    let after_second = live.last_id.clone();
    drop(live);
    feed.publish(&post(3, 2, &["school"])).await;
    feed.publish(&post(4, 3, &["role:student"])).await;
    feed.publish(&post(5, 4, &["school"])).await;
    let mut live = feed.live(&who, after_second.as_deref()).await;
    assert_eq!(next(&mut live).await, seen("item", 3));
    assert_eq!(next(&mut live).await, seen("item", 5));
    let end = live.last_id.clone();
    let mut again = feed.live(&who, end.as_deref()).await;
    feed.publish(&post(6, 5, &["school"])).await;
    assert_eq!(next(&mut again).await, seen("item", 6));
}

#[tokio::test]
async fn a_place_nobody_knows_is_one_reset_and_then_what_follows() {
    let feed = TestFeed::start(Setup::default()).await;
    let who = person(9, &[Role::Teacher]);
    feed.publish(&post(1, 0, &["school"])).await;
    let mut live = feed.live(&who, None).await;
    feed.publish(&post(2, 1, &["school"])).await;
    assert_eq!(next(&mut live).await, seen("item", 2));
    let known = live.last_id.clone().unwrap();
    let (generation, seq) = known.split_once('-').unwrap();
    let ahead = format!("{generation}-{}", seq.parse::<u64>().unwrap() + 100);
    let places = ["1-1", "nonsense", "\u{ff}", "-", &ahead];
    for (number, place) in (3..).zip(places) {
        let mut live = feed.live(&who, Some(place)).await;
        assert_eq!(next(&mut live).await, reset(), "{place:?}");
        assert_ne!(live.last_id.as_deref(), Some(place));
        feed.publish(&post(number, 2, &["school"])).await;
        assert_eq!(next(&mut live).await, seen("item", number));
    }
}

#[tokio::test]
async fn a_session_that_ends_takes_its_stream_along_and_no_other() {
    let feed = TestFeed::start(Setup::default()).await;
    let on = |session: u128| {
        let mut who = Verified::clone(&person(9, &[Role::Teacher]));
        who.session = uuid::Uuid::from_u128(session);
        Arc::new(who)
    };
    let mut ends = feed.live(&on(1), None).await;
    let mut goes_on = feed.live(&on(2), None).await;
    feed.revoke(&on(1)).await;
    assert_eq!(ends.next().await, None);
    feed.publish(&post(1, 0, &["school"])).await;
    assert_eq!(next(&mut goes_on).await, seen("item", 1));
    assert_eq!(feed.listen(&on(1), None).await.status(), 401);
}

#[tokio::test]
async fn a_deactivated_account_hears_nothing_more() {
    let feed = TestFeed::start(Setup::default()).await;
    let who = person(9, &[Role::Teacher]);
    feed.account(&who, 1, true).await;
    let mut live = feed.live(&who, None).await;
    feed.account(&who, 2, false).await;
    assert_eq!(live.next().await, None);
}

#[tokio::test]
async fn a_stream_ends_when_its_token_does() {
    let feed = TestFeed::start(Setup::default()).await;
    let mut who = Verified::clone(&person(9, &[Role::Teacher]));
    let now = kit::clock::Clock::now(&feed.clock);
    who.expires_at = now + TimeDelta::milliseconds(30);
    let mut live = feed.live(&Arc::new(who), None).await;
    assert!(live.more().await);
    feed.clock.advance(TimeDelta::milliseconds(30));
    assert_eq!(live.next().await, None);
}

#[tokio::test]
async fn a_lost_role_takes_its_items_along_and_a_new_one_is_read_from_the_pages() {
    let feed = TestFeed::start(Setup::default()).await;
    let (teacher, member) = (person(9, &[Role::Teacher]), person(9, &[]));
    let mut bystander = feed.live(&person(8, &[Role::Teacher]), None).await;
    feed.account(&teacher, 1, true).await;
    feed.publish(&post(1, 0, &["role:teacher"])).await;
    feed.publish(&post(2, 1, &["role:teacher", "role:member"]))
        .await;
    feed.publish(&post(3, 2, &["school"])).await;
    let mut live = feed.live(&teacher, None).await;
    feed.account(&member, 2, true).await;
    assert_eq!(next(&mut live).await, seen("remove", 3));
    assert_eq!(next(&mut live).await, seen("remove", 1));
    feed.publish(&post(4, 3, &["role:teacher"])).await;
    feed.publish(&post(5, 4, &["role:member"])).await;
    assert_eq!(next(&mut live).await, seen("item", 5));
    feed.account(&teacher, 3, true).await;
    assert_eq!(next(&mut live).await, reset());
    feed.publish(&post(6, 5, &["role:teacher"])).await;
    assert_eq!(next(&mut live).await, seen("item", 6));
    for number in 1..=6 {
        assert_eq!(next(&mut bystander).await, seen("item", number));
    }
}

#[tokio::test]
async fn who_comes_back_with_other_rights_reads_anew() {
    let feed = TestFeed::start(Setup::default()).await;
    let (teacher, member) = (person(9, &[Role::Teacher]), person(9, &[]));
    feed.account(&teacher, 1, true).await;
    let mut live = feed.live(&teacher, None).await;
    feed.publish(&post(1, 0, &["role:teacher"])).await;
    assert_eq!(next(&mut live).await, seen("item", 1));
    let place = live.last_id.clone();
    drop(live);
    feed.publish(&post(2, 1, &["role:teacher"])).await;
    feed.account(&member, 2, true).await;
    let mut live = feed.live(&member, place.as_deref()).await;
    assert_eq!(next(&mut live).await, reset());
    feed.publish(&post(3, 2, &["role:member"])).await;
    assert_eq!(
        next(&mut live).await,
        seen("item", 3),
        "nothing of what was for teachers"
    );
}

#[tokio::test]
async fn a_token_of_before_does_not_bring_a_lost_role_back() {
    let feed = TestFeed::start(Setup::default()).await;
    let (teacher, member) = (person(9, &[Role::Teacher]), person(9, &[]));
    feed.account(&member, 1, true).await;
    let mut live = feed.live(&teacher, None).await;
    feed.publish(&post(1, 0, &["role:teacher"])).await;
    feed.publish(&post(2, 1, &["role:member"])).await;
    assert_eq!(next(&mut live).await, seen("item", 2));
}

#[tokio::test]
async fn a_sixth_stream_of_one_person_closes_the_first() {
    let feed = TestFeed::start(Setup::default()).await;
    let who = person(9, &[Role::Teacher]);
    let mut open = Vec::new();
    for _ in 0..6 {
        open.push(feed.live(&who, None).await);
    }
    assert_eq!(open[0].next().await, None);
    feed.publish(&post(1, 0, &["school"])).await;
    for live in &mut open[1..] {
        assert_eq!(next(live).await, seen("item", 1));
    }
    let metrics = feed.metrics.render();
    assert!(metrics.contains("feed_live_streams 5"), "{metrics}");
}

#[tokio::test]
async fn a_stream_opened_while_the_feed_is_cold_begins_with_a_reset_once_it_is_filled() {
    let mut feed = TestFeed::cold(Setup::default()).await;
    let mut live = feed.live(&person(9, &[Role::Teacher]), Some("1-1")).await;
    feed.owner.set(&post(1, 0, &["school"]));
    feed.run();
    assert_eq!(next(&mut live).await, reset());
    feed.publish(&post(2, 1, &["school"])).await;
    assert_eq!(next(&mut live).await, seen("item", 2));
    feed.stop().await;
}

#[tokio::test]
async fn a_quiet_stream_gives_a_sign_of_life_and_a_place_to_come_back_to() {
    let feed = TestFeed::start(Setup {
        live_comment_seconds: 1,
        ..Setup::default()
    })
    .await;
    let mut live = feed.live(&person(9, &[Role::Teacher]), None).await;
    assert!(live.more().await);
    feed.publish(&post(1, 0, &["role:student"])).await;
    feed.publish(&post(2, 1, &["role:student"])).await;
    assert!(live.more().await);
    feed.publish(&post(3, 2, &["school"])).await;
    assert_eq!(next(&mut live).await, seen("item", 3));
    let place = live.last_id.unwrap();
    assert_eq!(live.comments, 1);
    assert!(
        place.ends_with("-3"),
        "numbers jump over what is for others: {place}"
    );
}

#[tokio::test]
async fn a_stream_is_for_people_who_signed_in() {
    let feed = TestFeed::start(Setup {
        public: true,
        ..Setup::default()
    })
    .await;
    assert_eq!(feed.read("/live", None).await.0, 401);
}

#[tokio::test]
async fn names_on_events_are_those_of_today() {
    let feed = TestFeed::start(Setup::default()).await;
    let mut author = Verified::clone(&person(7, &[Role::Teacher]));
    author.username = "inés".to_owned();
    assert_eq!(
        (author.user, author.roles),
        (UserId(7), Roles::MEMBER.with(Role::Teacher))
    );
    feed.account(&author, 1, true).await;
    let mut live = feed.live(&person(9, &[Role::Teacher]), None).await;
    feed.publish(&post(1, 0, &["school"])).await;
    assert_eq!(live.next().await.unwrap().data["username"], "inés");
}
