//! What the routes take, refuse and tell about themselves.

use crate::support::owner::post;
use crate::support::{Setup, TestFeed, titles};
use chrono::TimeDelta;
use contracts::Role;
use contracts::testing::person;
use serde_json::json;

#[tokio::test]
async fn without_a_token_only_what_is_public_is_read_and_only_where_that_is_on() {
    for (public, status) in [(false, 401), (true, 200)] {
        let feed = TestFeed::start(Setup {
            public,
            ..Setup::default()
        })
        .await;
        feed.publish(&post(1, 0, &["public"])).await;
        feed.publish(&post(2, 1, &["role:member"])).await;
        let (answered, page) = feed.read("", None).await;
        assert_eq!(answered, status);
        if public {
            assert_eq!(titles(&page), ["Post 1"]);
        }
        let member = feed.titles("", &person(5, &[])).await;
        assert_eq!(
            member,
            if public {
                vec!["Post 2", "Post 1"]
            } else {
                vec!["Post 2"]
            }
        );
        assert_eq!(feed.read("/user", None).await.0, 401);
    }
}

#[tokio::test]
async fn bad_parameters_are_refused_by_name() {
    let feed = TestFeed::start(Setup::default()).await;
    let who = Some(person(7, &[]));
    for (query, status, code) in [
        ("?limit=0", 422, "invalid_limit"),
        ("?limit=101", 422, "invalid_limit"),
        ("?limit=x", 422, "invalid_limit"),
        ("?skip=-1", 422, "validation"),
        ("?skip=10001", 422, "validation"),
        ("?cursor=nonsense", 400, "bad_cursor"),
        ("?group=1", 422, "unknown_field"),
        ("?audience=nobody", 422, "validation"),
        ("?from=yesterday", 422, "validation"),
    ] {
        let (answered, problem) = feed.read(query, who.clone()).await;
        assert_eq!(
            (answered, problem["code"].as_str()),
            (status, Some(code)),
            "{query}: {problem}"
        );
    }
    feed.publish(&post(1, 0, &["role:member"])).await;
    feed.publish(&post(2, 0, &["role:member"])).await;
    let (_, page) = feed.read("?limit=1", who.clone()).await;
    let both = format!("?skip=1&cursor={}", page["next_cursor"].as_str().unwrap());
    assert_eq!(feed.read(&both, who).await.0, 422);
}

#[tokio::test]
async fn filters_narrow_the_stream_and_never_widen_it() {
    let feed = TestFeed::start(Setup::default()).await;
    for (number, audience, tag) in [
        (1, "school", "trip"),
        (2, "role:member", "trip"),
        (3, "user:1", "food"),
    ] {
        let mut new = post(number, i64::from(number), &[audience]);
        new.tags.push(tag.to_owned());
        feed.publish(&new).await;
    }
    let who = person(7, &[Role::Teacher]);
    assert_eq!(
        feed.titles("?tag=%20TRIP", &who).await,
        ["Post 2", "Post 1"]
    );
    assert_eq!(feed.titles("?audience=school", &who).await, ["Post 1"]);
    assert_eq!(feed.titles("?audience=user:1", &who).await, [""; 0]);
    assert_eq!(feed.titles("?kind=post", &who).await.len(), 2);
    assert_eq!(feed.titles("?kind=homework.assigned", &who).await, [""; 0]);
    assert_eq!(
        feed.titles("?from=2026-03-02T08:02:00Z", &who).await,
        ["Post 2"]
    );
    assert_eq!(
        feed.titles("?to=2026-03-02T08:02:00Z", &who).await,
        ["Post 1"]
    );
    let (_, page) = feed.read("?tag=trip&audience=school", Some(who)).await;
    assert_eq!(page["total"], 1);
}

#[tokio::test]
async fn the_statistics_are_measured() {
    let mut feed = TestFeed::start(Setup::default()).await;
    feed.publish(&post(1, 0, &["role:member", "school"])).await;
    let (_, stats) = feed.read("/stats", None).await;
    let expected = json!({
        "global_activity_count": 1, "redis_connected": true, "kafka_consumer_active": true, "rebuilding": false,
    });
    assert_eq!(stats, expected);
    feed.clock.advance(TimeDelta::seconds(3));
    assert_eq!(
        feed.read("/stats/detail", Some(person(5, &[Role::Teacher])))
            .await
            .0,
        403
    );
    let (_, detail) = feed
        .read("/stats/detail", Some(person(1, &[Role::Admin])))
        .await;
    assert_eq!(
        (
            &detail["items"],
            &detail["timelines"],
            &detail["partitions"]
        ),
        (&json!(1), &json!(2), &json!(3))
    );
    assert_eq!(
        (
            &detail["lag_messages"],
            &detail["dlq"],
            &detail["event_age_seconds"]
        ),
        (&json!(0), &json!(0), &json!(3.0))
    );
    assert_eq!(detail["applied"], json!({"posts-events": {"0": 0}}));
    feed.stop().await;
    feed.clock.advance(TimeDelta::seconds(2));
    assert_eq!(
        feed.read("/stats", None).await.1["kafka_consumer_active"],
        false
    );
}
