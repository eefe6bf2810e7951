//! The routes, through the real router.

mod support;

use std::sync::atomic::Ordering;

use chrono::TimeDelta;
use contracts::events::{User, UserEvent, UserEventKind, UserState};
use contracts::{Role, Roles, UserId};
use serde_json::json;
use support::owner::{id, post, start};
use support::{Setup, TestFeed, person, titles};

#[tokio::test]
async fn an_item_has_the_fields_of_004_first_and_then_ours() {
    let feed = TestFeed::start(Setup::default()).await;
    let mut new = post(1, 0, &["school", "user:9"]);
    (new.tags, new.comment_count) = (vec!["trip".to_owned()], 2);
    feed.publish(&new).await;
    let response = feed.get("", Some(person(7, &[Role::Teacher]))).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(!response.headers().contains_key("x-feed"));
    let text = kit::testing::text(response).await;
    insta::assert_snapshot!(text, @r#"{"items":[{"post_id":"000000000000000000000001","user_id":7,"username":"ines","event_type":"post.created","timestamp":"2026-03-02T08:00:00Z","title":"Post 1","content":"<p>Text 1</p>","id":"000000000000000000000001","kind":"post","aggregate":"post:000000000000000000000001","version":1,"audience":["school"],"tags":["trip"],"edited_at":null,"pinned_until":null,"comment_count":2,"attachments":[]}],"total":1,"limit":20,"skip":0,"next_cursor":null}"#);
}

#[tokio::test]
async fn the_edited_the_moved_and_the_deleted_are_nowhere_as_they_were() {
    let feed = TestFeed::start(Setup::default()).await;
    let (teacher, pupil) = (person(7, &[Role::Teacher]), person(9, &[Role::Student]));
    let mut changing = post(1, 0, &["school"]);
    feed.publish(&changing).await;
    feed.publish(&post(2, 1, &["school"])).await;
    for reader in [&teacher, &pupil] {
        assert_eq!(feed.titles("", reader).await, ["Post 2", "Post 1"]);
    }
    (changing.title, changing.version, changing.edited_at) = ("New".to_owned(), 2, Some(start()));
    feed.publish(&changing).await;
    for reader in [&teacher, &pupil] {
        assert_eq!(feed.titles("", reader).await, ["Post 2", "New"]);
        assert_eq!(feed.titles("?skip=1", reader).await, ["New"]);
    }
    (changing.audience, changing.version) = (vec!["role:teacher".parse().unwrap()], 3);
    feed.publish(&changing).await;
    assert_eq!(feed.titles("", &teacher).await, ["Post 2", "New"]);
    assert_eq!(feed.titles("", &pupil).await, ["Post 2"]);
    feed.delete(id(2), 2).await;
    assert_eq!(feed.titles("", &teacher).await, ["New"]);
    assert_eq!(
        feed.read("", Some(pupil)).await.1,
        json!({"items":[],"total":0,"limit":20,"skip":0,"next_cursor":null})
    );
    assert_eq!(feed.titles("/user", &teacher).await, ["New"]);
}

#[tokio::test]
async fn a_role_that_is_lost_is_lost_with_the_next_request() {
    let feed = TestFeed::start(Setup::default()).await;
    feed.publish(&post(1, 0, &["role:teacher"])).await;
    assert_eq!(
        feed.titles("", &person(5, &[Role::Teacher])).await,
        ["Post 1"]
    );
    assert_eq!(feed.titles("", &person(5, &[])).await, [""; 0]);
}

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
async fn the_own_stream_holds_what_the_caller_published_for_whomever() {
    let feed = TestFeed::start(Setup {
        window: 2,
        ..Setup::default()
    })
    .await;
    for number in 1..=5 {
        feed.publish(&post(number, i64::from(number), &["user:1", "user:2"]))
            .await;
    }
    let mut other = post(9, 9, &["school"]);
    other.user_id = UserId(8);
    feed.publish(&other).await;
    let (_, page) = feed.read("/user?limit=3", Some(person(7, &[]))).await;
    assert_eq!(titles(&page), ["Post 5", "Post 4", "Post 3"]);
    assert_eq!(page["items"][0]["audience"], json!(["user:1", "user:2"]));
    assert_eq!(
        (
            page["total"].as_u64(),
            page["limit"].as_u64(),
            page["skip"].as_u64()
        ),
        (Some(2), Some(3), Some(0))
    );
    let cursor = page["next_cursor"].as_str().unwrap();
    let (_, page) = feed
        .read(
            &format!("/user?limit=3&cursor={cursor}"),
            Some(person(7, &[])),
        )
        .await;
    assert_eq!(titles(&page), ["Post 2", "Post 1"]);
    assert!(page.get("total").is_none());
    assert_eq!(feed.titles("/user", &person(8, &[])).await, ["Post 9"]);
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
async fn a_new_name_stands_on_old_items_wherever_they_come_from() {
    let feed = TestFeed::start(Setup {
        window: 1,
        ..Setup::default()
    })
    .await;
    feed.publish(&post(1, 0, &["role:member"])).await;
    feed.publish(&post(2, 1, &["role:member"])).await;
    let who = person(5, &[]);
    let _cached = feed.titles("?limit=2", &who).await;
    let user = User {
        id: UserId(7),
        email: None,
        username: "inés".to_owned(),
        first_name: String::new(),
        last_name: String::new(),
        full_name: "inés".to_owned(),
        role: Role::Teacher,
        roles: Roles::MEMBER.with(Role::Teacher),
        user_type: None,
        is_active: true,
        date_joined: start(),
    };
    let state = UserState {
        user_id: user.id,
        user_type: None,
        user_data: user,
        version: 2,
    };
    feed.rename(&UserEvent {
        kind: UserEventKind::Updated,
        state,
    })
    .await;
    let (_, page) = feed.read("?limit=2", Some(who)).await;
    assert_eq!(
        (&page["items"][0]["username"], &page["items"][1]["username"]),
        (&json!("inés"), &json!("inés"))
    );
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
        (&json!(1), &json!(2), &json!(2))
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

#[tokio::test(flavor = "multi_thread")]
async fn of_64_readers_at_once_none_sees_an_edit_undone() {
    let feed = TestFeed::start(Setup::default()).await;
    let feed = std::sync::Arc::new(feed);
    feed.publish(&post(1, 0, &["school", "role:member"])).await;
    let readers: Vec<_> = (0..64)
        .map(|reader| {
            let feed = feed.clone();
            let roles = if reader % 2 == 0 {
                vec![Role::Teacher]
            } else {
                Vec::new()
            };
            tokio::spawn(async move {
                for version in 2..=20 {
                    feed.applied.post(id(1), version).await.unwrap();
                    let (_, page) = feed.read("", Some(person(reader + 10, &roles))).await;
                    assert!(
                        page["items"][0]["version"].as_i64().unwrap() >= version,
                        "{page}"
                    );
                }
            })
        })
        .collect();
    for version in 2..=20 {
        let mut edited = post(1, 0, &["school", "role:member"]);
        (edited.version, edited.edited_at) = (version, Some(start()));
        feed.publish(&edited).await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
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
