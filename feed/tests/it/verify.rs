//! The comparison of the stream with what it should be.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::support::owner::{id, post};
use crate::support::{Opened, Setup, TestFeed};
use chrono::{DateTime, Utc};
use feed::{Change, Difference, Order, Source};

async fn filled(window: usize) -> (TestFeed, Opened) {
    let store = crate::backend(window);
    let feed = TestFeed::start(Setup {
        window,
        store: Some(store.store.clone()),
        ..Setup::default()
    })
    .await;
    for number in 1..=6 {
        let audience: &[&str] = if number % 2 == 0 {
            &["school", "role:member"]
        } else {
            &["school"]
        };
        feed.publish(&post(number, i64::from(number), audience))
            .await;
    }
    (feed, store)
}

fn now(feed: &TestFeed) -> DateTime<Utc> {
    kit::clock::Clock::now(&feed.clock)
}

async fn differences(feed: &TestFeed) -> Vec<Difference> {
    feed.inspector.verify().await.unwrap().differences
}

#[tokio::test]
async fn a_stream_that_is_right_has_no_differences_and_is_counted() {
    let (feed, _store) = filled(4).await;
    feed.delete(id(6), 2).await;
    feed.raw(r#"{"event_type":"post.created","timestamp":"2026-03-02T08:00:30","data":{"post_id":"65f0a1b2c3d4e5f601234567","user_id":3,"title":"Foreign"}}"#)
        .await;
    feed.settled().await;
    let verdict = feed.inspector.verify().await.unwrap();
    assert_eq!(verdict.differences, []);
    assert_eq!(
        (verdict.audiences, verdict.authors, verdict.unconfirmed),
        (2, 2, 0)
    );
    // school 4, role:member 2 and the foreign one, by 7 4, by 3 1
    assert_eq!(verdict.items, 4 + 3 + 4 + 1);
}

#[tokio::test]
async fn what_is_missing_too_much_or_otherwise_is_named_by_window() {
    let (feed, store) = filled(100).await;
    let (owner, at) = (&feed.owner, now(&feed));
    // The owner has one that the stream was never told of.
    owner.set(&post(7, 7, &["role:member"]));
    // The stream has one that nobody has.
    let ghost = Change::owned(post(8, 8, &["school"]), at, Source::Bus);
    store.apply(ghost, None, at).await.unwrap();
    // Of one it has another text.
    let mut other = post(2, 2, &["school", "role:member"]);
    other.title = "Otherwise".to_owned();
    owner.set(&other);
    // And one is gone that it still has.
    owner.delete(id(1), 2, at);
    let found = differences(&feed).await;
    let of = |window: &str, counts: (usize, usize), named: [&[u32]; 3]| {
        let ids = |numbers: &[u32]| numbers.iter().map(|n| id(*n).to_string()).collect();
        Difference {
            window: window.to_owned(),
            expected: counts.0,
            found: counts.1,
            missing: ids(named[0]),
            unexpected: ids(named[1]),
            changed: ids(named[2]),
        }
    };
    assert_eq!(
        found,
        [
            of("school", (5, 7), [&[], &[8, 1], &[2]]),
            of("role:member", (4, 3), [&[7], &[], &[2]]),
            of("by:7", (6, 7), [&[7], &[8, 1], &[2]]),
        ]
    );
    assert_eq!(feed.rebuild().await.phase, feed::Phase::Done);
    assert_eq!(differences(&feed).await, []);
}

#[tokio::test]
async fn a_foreign_post_whose_message_is_kept_no_longer_is_counted_and_not_called_wrong() {
    let (feed, store) = filled(3).await;
    let change = Change::Post {
        post: Box::new(post(50, 50, &["school"])),
        order: Order::foreign(1, 0),
        arrived: now(&feed),
        source: Source::Bus,
    };
    store.apply(change, None, now(&feed)).await.unwrap();
    let verdict = feed.inspector.verify().await.unwrap();
    assert_eq!((verdict.differences, verdict.unconfirmed), (Vec::new(), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_go_on_are_no_differences() {
    let (feed, _store) = filled(5).await;
    let feed = Arc::new(feed);
    let writing = {
        let feed = feed.clone();
        tokio::spawn(async move {
            for number in 10..200 {
                feed.publish(&post(number, i64::from(number), &["school", "role:member"]))
                    .await;
                if number % 3 == 0 {
                    feed.delete(id(number - 1), 2).await;
                }
            }
        })
    };
    let mut compared = 0;
    while !writing.is_finished() {
        assert_eq!(differences(&feed).await, []);
        compared += 1;
    }
    writing.await.unwrap();
    assert!(compared > 0);
    assert_eq!(differences(&feed).await, []);
}

#[tokio::test]
async fn there_is_one_comparison_at_a_time_and_none_of_what_is_not_there() {
    let (feed, _store) = filled(5).await;
    let halt = feed.world.exports.halt(2);
    let feed = Arc::new(feed);
    let first = {
        let feed = feed.clone();
        tokio::spawn(async move { feed.inspector.verify().await })
    };
    halt.came().await;
    let refused = feed.inspector.verify().await.unwrap_err();
    assert_eq!(
        (refused.status().as_u16(), refused.code()),
        (409, "verify_running")
    );
    first.abort();
    assert!(first.await.is_err());
    assert_eq!(
        differences(&feed).await,
        [],
        "whoever went away is no obstacle"
    );
    feed.owner.down.store(true, Ordering::SeqCst);
    assert_eq!(feed.inspector.verify().await.unwrap_err().status(), 503);

    let cold = TestFeed::cold(Setup::default()).await;
    let problem = cold.inspector.verify().await.unwrap_err();
    assert_eq!(
        (problem.status().as_u16(), problem.code()),
        (503, "rebuilding")
    );
}
