//! What only the bus has, and what it was told while no feed ran.

use crate::support::owner::{id, post};
use crate::support::{Setup, TestFeed};
use backends::bus::Start;
use backends::dead_letters::{DeadLetters, Which};
use contracts::testing::person;
use feed::Phase;

fn created(number: u32, minute: u32) -> String {
    let id = id(number);
    format!(
        r#"{{"event_type":"post.created","timestamp":"2026-03-02T08:{minute:02}:00","data":{{"post_id":"{id}","user_id":3,"title":"Foreign {number}"}}}}"#
    )
}

/// A feed on the same bus, after the one before has ended.
async fn restarted(mut feed: TestFeed, setup: Setup) -> TestFeed {
    feed.stop().await;
    let mut next = TestFeed::cold_in(feed.world.clone(), setup).await;
    next.run();
    next.applied.filled().await.unwrap();
    next
}

#[tokio::test]
async fn foreign_posts_are_in_the_stream_after_a_start_and_a_rebuild_whenever_they_were_told() {
    let feed = TestFeed::cold(Setup::default()).await;
    let reader = person(5, &[]);
    feed.raw(&created(1, 1)).await;
    let feed = restarted(feed, Setup::default()).await;
    assert_eq!(feed.titles("", &reader).await, ["Foreign 1"]);
    feed.raw(&created(2, 2)).await;
    feed.raw(&created(3, 3)).await;
    let deleted = created(2, 4).replace("created", "deleted");
    feed.raw(&deleted).await;
    feed.settled().await;
    for round in 0..2 {
        assert_eq!(
            feed.titles("", &reader).await,
            ["Foreign 3", "Foreign 1"],
            "{round}"
        );
        assert_eq!(feed.rebuild().await.phase, Phase::Done);
    }
    let feed = restarted(feed, Setup::default()).await;
    assert_eq!(feed.titles("", &reader).await, ["Foreign 3", "Foreign 1"]);
    let (_, stats) = feed.read("/stats", None).await;
    assert_eq!(stats["global_activity_count"], 2);
}

#[tokio::test]
async fn what_was_told_while_no_feed_ran_is_applied_and_what_cannot_be_is_a_dead_letter_once() {
    let feed = TestFeed::start(Setup::default()).await;
    let reader = person(5, &[]);
    feed.publish(&post(1, 1, &["role:member"])).await;
    let mut feed = feed;
    feed.stop().await;
    feed.raw("no event at all").await;
    feed.raw(&created(2, 2)).await;
    let feed = restarted(feed, Setup::default()).await;
    feed.settled().await;
    assert_eq!(feed.titles("", &reader).await, ["Foreign 2", "Post 1"]);
    let feed = restarted(feed, Setup::default()).await;
    assert_eq!(feed.rebuild().await.phase, Phase::Done);
    feed.settled().await;
    let letters = feed.bus.kept("posts-events.dlq").await.unwrap();
    assert_eq!(letters, 1);
    let admin = person(1, &[contracts::Role::Admin]);
    let (_, detail) = feed.read("/stats/detail", Some(admin)).await;
    assert_eq!(detail["dlq"], 1);
}

#[tokio::test]
async fn a_dead_letter_replayed_while_no_feed_runs_is_in_the_stream_of_the_next() {
    let mut feed = TestFeed::start(Setup::default()).await;
    feed.stop().await;
    // Left by an older version that could not read it.
    let letter = backends::bus::Record {
        topic: "posts-events.dlq".to_owned(),
        key: None,
        payload: created(1, 1).into(),
        headers: [("dlq_reason".to_owned(), "an older version".to_owned())].into(),
        event_id: None,
    };
    feed.bus.publish(vec![letter]).await.unwrap();
    let clock = feed.clock.shared();
    let letters = DeadLetters::new(feed.bus.clone(), clock);
    let done = letters.replay("posts-events", Which::All).await.unwrap();
    assert_eq!(done.letters, 1);
    let feed = restarted(feed, Setup::default()).await;
    assert_eq!(feed.titles("", &person(5, &[])).await, ["Foreign 1"]);
}

#[tokio::test]
async fn a_foreign_post_below_the_windows_stands_at_its_place_among_those_of_the_owner() {
    let setup = || Setup {
        window: 2,
        ..Setup::default()
    };
    let feed = TestFeed::start(setup()).await;
    let reader = person(5, &[]);
    for (number, minute) in [(1, 1), (3, 3), (5, 5), (6, 6)] {
        feed.publish(&post(number, minute, &["role:member"])).await;
    }
    for (number, minute) in [(2, 2), (4, 4)] {
        feed.raw(&created(number, minute)).await;
    }
    feed.settled().await;
    let expected = [
        "Post 6",
        "Post 5",
        "Foreign 4",
        "Post 3",
        "Foreign 2",
        "Post 1",
    ];
    for round in 0..2 {
        assert_eq!(feed.titles("", &reader).await, expected, "{round}");
        assert_eq!(
            feed.titles("?skip=1&limit=3", &reader).await,
            expected[1..4]
        );
        let (_, first) = feed.read("?limit=3", Some(reader.clone())).await;
        let cursor = first["next_cursor"].as_str().unwrap();
        let second = format!("?limit=2&cursor={cursor}");
        assert_eq!(feed.titles(&second, &reader).await, expected[3..5]);
        assert_eq!(first["total"], 2);
        assert_eq!(feed.rebuild().await.phase, Phase::Done);
    }
    feed.delete(id(6), 2).await;
    feed.delete(id(5), 2).await;
    let total = async || feed.read("", Some(reader.clone())).await.1["total"].clone();
    while total().await != 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(feed.titles("", &reader).await, expected[2..]);
    let feed = restarted(feed, setup()).await;
    assert_eq!(feed.titles("", &reader).await, expected[2..]);
}

#[tokio::test]
async fn a_foreign_message_about_a_post_of_the_owner_changes_nothing_of_it() {
    let feed = TestFeed::start(Setup::default()).await;
    let reader = person(5, &[]);
    feed.publish(&post(1, 1, &["role:member"])).await;
    let page = feed.read("", Some(reader.clone())).await;
    for kind in ["created", "updated", "deleted"] {
        feed.raw(&created(1, 9).replace("created", kind)).await;
        feed.settled().await;
        assert_eq!(feed.read("", Some(reader.clone())).await, page, "{kind}");
    }
    assert_eq!(feed.rebuild().await.phase, Phase::Done);
    assert_eq!(feed.read("", Some(reader)).await, page);
}

#[tokio::test]
async fn a_rebuilt_stream_says_how_far_the_bus_is_read_in_it() {
    let feed = TestFeed::start(Setup::default()).await;
    for number in 1..=3 {
        feed.publish(&post(number, 1, &["role:member"])).await;
    }
    let admin = person(1, &[contracts::Role::Admin]);
    let (_, before) = feed.read("/stats/detail", Some(admin.clone())).await;
    assert_eq!(feed.rebuild().await.phase, Phase::Done);
    let (_, after) = feed.read("/stats/detail", Some(admin.clone())).await;
    for name in [
        "applied",
        "last_event_at",
        "event_age_seconds",
        "lag_messages",
        "items",
        "bytes",
        "timelines",
        "partitions",
    ] {
        assert_eq!(before[name], after[name], "{name}");
    }
    let feed = restarted(feed, Setup::default()).await;
    let (_, after) = feed.read("/stats/detail", Some(admin)).await;
    assert_eq!(before["applied"], after["applied"]);
    let mut group = feed
        .bus
        .subscribe("feed-generator", &["posts-events"], Start::Committed)
        .await
        .unwrap();
    feed.raw(&created(9, 9)).await;
    assert_eq!(
        group.next().await.unwrap().offset,
        3,
        "committed as it goes"
    );
}
