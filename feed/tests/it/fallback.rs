//! Pages from memory, from the posts, and from both.

use std::sync::atomic::Ordering;

use crate::support::owner::{post, start};
use crate::support::{Setup, TestFeed};
use chrono::TimeDelta;
use contracts::Role;
use contracts::testing::person;

#[tokio::test]
async fn a_cold_feed_answers_the_same_items_from_the_posts_and_says_so() {
    let mut feed = TestFeed::cold(Setup::default()).await;
    for number in 1..=30 {
        feed.owner
            .set(&post(number, i64::from(number / 3), &["school", "user:1"]));
    }
    let who = person(7, &[Role::Teacher]);
    let mut cold = Vec::new();
    let mut paths = vec![
        String::new(),
        "?limit=7".to_owned(),
        "?skip=25".to_owned(),
        "/user?limit=5".to_owned(),
    ];
    let (_, page) = feed.read("?limit=7", Some(who.clone())).await;
    paths.push(format!(
        "?limit=7&cursor={}",
        page["next_cursor"].as_str().unwrap()
    ));
    for path in &paths {
        let response = feed.get(path, Some(who.clone())).await;
        assert_eq!(response.headers()["x-feed"], "rebuilding");
        let (_, mut page) = kit::testing::json(response).await;
        page.as_object_mut().unwrap().remove("total");
        cold.push(page);
    }
    let (_, stats) = feed.read("/stats", None).await;
    assert_eq!(
        (
            stats["rebuilding"].as_bool(),
            stats["kafka_consumer_active"].as_bool()
        ),
        (Some(true), Some(false))
    );
    feed.run();
    feed.applied.filled().await.unwrap();
    for (path, expected) in paths.iter().zip(cold) {
        let response = feed.get(path, Some(who.clone())).await;
        assert!(!response.headers().contains_key("x-feed"));
        let (_, mut page) = kit::testing::json(response).await;
        page.as_object_mut().unwrap().remove("total");
        assert_eq!(page, expected, "{path}");
    }
    feed.stop().await;
}

#[tokio::test]
async fn with_feed_and_owner_down_there_is_no_empty_page_but_a_503() {
    let feed = TestFeed::cold(Setup::default()).await;
    feed.owner.down.store(true, Ordering::SeqCst);
    let response = feed.get("", Some(person(7, &[]))).await;
    assert!(response.headers().contains_key("retry-after"));
    let (status, problem) = kit::testing::json(response).await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (503, Some("feed_unavailable"))
    );
}

#[tokio::test]
async fn with_the_owner_down_what_the_window_holds_is_read_all_the_same() {
    let feed = TestFeed::start(Setup {
        window: 3,
        ..Setup::default()
    })
    .await;
    for number in 1..=9 {
        feed.publish(&post(number, i64::from(number), &["role:member"]))
            .await;
    }
    feed.owner.down.store(true, Ordering::SeqCst);
    let who = person(5, &[]);
    assert_eq!(feed.titles("?limit=2", &who).await, ["Post 9", "Post 8"]);
    assert_eq!(feed.read("?limit=4", Some(who.clone())).await.0, 503);
    feed.owner.down.store(false, Ordering::SeqCst);
    assert_eq!(
        feed.titles("?limit=4", &who).await,
        ["Post 9", "Post 8", "Post 7", "Post 6"]
    );
    assert_eq!(
        feed.titles("?limit=4&skip=5", &who).await,
        ["Post 4", "Post 3", "Post 2", "Post 1"]
    );
    let counted = feed.metrics.render();
    assert!(
        counted.contains("feed_fallback_total{reason=\"past_window\"} 3"),
        "{counted}"
    );
}

#[tokio::test]
async fn a_first_page_is_not_asked_of_the_owner_while_the_window_holds_it() {
    let feed = TestFeed::start(Setup::default()).await;
    for number in 1..=25 {
        feed.publish(&post(number, i64::from(number), &["role:member"]))
            .await;
    }
    let asked = feed.owner.asked.load(Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(feed.titles("", &person(5, &[])).await.len(), 20);
    }
    assert_eq!(feed.owner.asked.load(Ordering::SeqCst), asked);
}

#[tokio::test]
async fn a_pinned_post_stands_first_from_memory_and_from_the_posts() {
    let mut feed = TestFeed::cold(Setup::default()).await;
    for number in 1..=3 {
        let mut new = post(number, i64::from(number), &["school"]);
        new.pinned_until = (number == 1).then(|| start() + TimeDelta::days(1));
        feed.owner.set(&new);
    }
    let who = person(7, &[Role::Teacher]);
    let expected = ["Post 1", "Post 3", "Post 2"];
    assert_eq!(feed.titles("", &who).await, expected);
    feed.run();
    feed.applied.filled().await.unwrap();
    assert_eq!(feed.titles("", &who).await, expected);
    feed.clock.advance(TimeDelta::days(1));
    assert_eq!(
        feed.titles("", &who).await,
        ["Post 3", "Post 2", "Post 1"],
        "a kept page outlives the pin"
    );
    feed.stop().await;
}
