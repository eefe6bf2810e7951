//! `GET /api/posts`.

use chrono::TimeDelta;
use contracts::testing::{Person, admin, member, student, teacher};
use serde_json::json;

use crate::world::{CIVILDIY, World};

#[tokio::test]
async fn the_bare_array_has_ten_posts_newest_first_and_links_to_the_next() {
    let world = World::new().await;
    for i in 0..12 {
        world
            .publish(&teacher(), &format!("t{i}"), &["school"])
            .await;
    }
    let first = world.get(Some(&student()), "/api/posts").await;
    assert_eq!(first.body.as_array().unwrap().len(), 10);
    assert_eq!(first.body[0]["title"], "t11");
    assert_eq!(
        first.header("link"),
        Some(r#"</api/posts?limit=10&skip=10>; rel="next""#)
    );
    let second = world
        .get(Some(&student()), "/api/posts?limit=10&skip=10")
        .await;
    assert_eq!(
        (
            second.body[0]["title"].as_str(),
            second.body[1]["title"].as_str()
        ),
        (Some("t1"), Some("t0"))
    );
    assert_eq!(second.header("link"), None);
    let filtered = world
        .get(Some(&student()), "/api/posts?user_id=2&limit=5&tag=")
        .await;
    assert_eq!(
        filtered.header("link"),
        Some(r#"</api/posts?user_id=2&tag=&limit=5&skip=5>; rel="next""#)
    );
}

#[tokio::test]
async fn an_empty_cursor_asks_for_pages_which_show_the_same_posts_in_the_same_order() {
    let world = World::new().await;
    for i in 0..25 {
        world
            .publish(&teacher(), &format!("t{i}"), &["school"])
            .await;
    }
    let first = world.get(Some(&student()), "/api/posts?cursor=").await;
    assert_eq!(first.body["items"].as_array().unwrap().len(), 20);
    let cursor = first.body["next_cursor"].as_str().unwrap();
    let second = world
        .get(Some(&student()), &format!("/api/posts?cursor={cursor}"))
        .await;
    assert_eq!(second.body["next_cursor"], json!(null));
    let paged: Vec<_> = [&first, &second]
        .iter()
        .flat_map(|page| page.body["items"].as_array().unwrap())
        .map(|post| post["id"].clone())
        .collect();
    let array = world.get(Some(&student()), "/api/posts?limit=100").await;
    let whole: Vec<_> = array
        .body
        .as_array()
        .unwrap()
        .iter()
        .map(|post| post["id"].clone())
        .collect();
    assert_eq!(paged, whole);
    let short = world
        .get(Some(&student()), "/api/posts?cursor=&limit=3")
        .await;
    assert_eq!(short.body["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_out_of_bounds_is_refused_by_name() {
    let world = World::new().await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=1.5", "limit"),
        ("skip=-1", "skip"),
        ("skip=10001", "skip"),
        ("skip=0&cursor=", "skip"),
        ("user_id=x", "user_id"),
        ("audience=moon", "audience"),
        ("from=yesterday", "from"),
    ] {
        let answer = world
            .get(Some(&student()), &format!("/api/posts?{query}"))
            .await;
        assert_eq!(
            (answer.problem(), answer.fields()),
            ((422, "validation"), vec![field]),
            "{query}: {}",
            answer.body
        );
    }
    assert_eq!(
        world
            .get(Some(&student()), "/api/posts?limit=100&skip=10000")
            .await
            .status,
        200
    );
    assert_eq!(
        world
            .get(Some(&student()), "/api/posts?state=draft")
            .await
            .status,
        422,
        "a filter that is not there is not passed over"
    );
    for cursor in ["x", "AAAA", "AQAGTJ3mWoAA"] {
        let answer = world
            .get(Some(&student()), &format!("/api/posts?cursor={cursor}"))
            .await;
        assert_eq!(answer.problem(), (400, "bad_cursor"), "{cursor}");
    }
}

#[tokio::test]
async fn the_list_is_filtered_by_author_tag_audience_and_time() {
    let world = World::new().await;
    let post = async |who: Person, title: &str, tags: &[&str], audience: &[&str]| {
        let answer = world
            .post(
                &who,
                &json!({"title": title, "content": "x", "tags": tags, "audience": audience}),
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        world.clock.advance(TimeDelta::seconds(60));
    };
    post(admin(), "a", &["zoo"], &["school"]).await;
    post(teacher(), "b", &["zoo", "Größe 100%"], &["school"]).await;
    post(admin(), "c", &["zoo"], &["role:teacher"]).await;
    post(admin(), "d", &[], &["school", "role:student"]).await;
    let pupil = student();
    let shown = async |query: &str| world.titles(Some(&pupil), query).await.concat();
    assert_eq!(shown("").await, "dba");
    assert_eq!(shown("user_id=1").await, "da");
    assert_eq!(shown("user_id=99").await, "");
    assert_eq!(shown("tag=zoo").await, "ba");
    assert_eq!(shown("tag=%20ZOO%20").await, "ba");
    assert_eq!(shown("tag=gr%C3%B6%C3%9Fe%20100%25").await, "b");
    assert_eq!(shown("tag=zo").await, "");
    assert_eq!(shown("tag=zoo&user_id=1").await, "a");
    assert_eq!(shown("audience=role:student").await, "d");
    assert_eq!(shown("audience=school&user_id=2").await, "b");
    assert_eq!(
        shown("audience=role:teacher").await,
        "",
        "an audience the reader does not read"
    );
    assert_eq!(shown("from=2026-03-02T08:01:00Z").await, "db");
    assert_eq!(shown("to=2026-03-02T08:01:00Z").await, "a");
    assert_eq!(
        shown("from=2026-03-02T08:01:00Z&to=2026-03-02T08:02:00Z&tag=zoo").await,
        "b"
    );
    assert_eq!(shown("cursor=&limit=1&tag=zoo").await, "b");
}

#[tokio::test]
async fn an_author_is_listed_their_own_posts_whomever_they_are_for() {
    let world = World::new().await;
    world
        .publish(&admin(), "for students", &["role:student"])
        .await;
    world.publish(&admin(), "for one", &["user:6"]).await;
    assert_eq!(
        world.titles(Some(&admin()), "").await,
        ["for one", "for students"]
    );
    assert_eq!(
        world.titles(Some(&admin()), "user_id=1").await,
        ["for one", "for students"]
    );
    assert_eq!(
        world.titles(Some(&admin()), "audience=user:6").await,
        ["for one"]
    );
    assert_eq!(
        world.titles(Some(&member()), "audience=user:6").await,
        ["for one"]
    );
    assert!(
        world
            .titles(Some(&student()), "audience=user:6")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_post_of_several_audiences_of_the_reader_is_listed_once() {
    let world = World::new().await;
    world
        .publish(
            &admin(),
            "x",
            &["school", "role:student", "role:member", "user:4"],
        )
        .await;
    assert_eq!(world.titles(Some(&student()), "").await, ["x"]);
    assert_eq!(world.titles(Some(&admin()), "").await, ["x"]);
}

#[tokio::test]
async fn a_post_written_while_somebody_pages_neither_repeats_nor_hides_another() {
    let world = World::new().await;
    let titles = async |cursor: &str| {
        let page = world
            .get(
                Some(&student()),
                &format!("/api/posts?limit=2&cursor={cursor}"),
            )
            .await
            .body;
        let next = page["next_cursor"].as_str().unwrap_or_default().to_owned();
        (
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|post| post["title"].as_str().unwrap())
                .collect::<String>(),
            next,
        )
    };
    let mut ids = Vec::new();
    for title in ["a", "b", "c", "d", "e"] {
        ids.push(world.publish(&teacher(), title, &["school"]).await);
    }
    let (first, cursor) = titles("").await;
    world.publish(&teacher(), "new", &["school"]).await;
    world.delete(&teacher(), &ids[4]).await;
    world.delete(&teacher(), &ids[3]).await;
    let (second, cursor) = titles(&cursor).await;
    let (third, end) = titles(&cursor).await;
    assert_eq!(
        (
            first.as_str(),
            second.as_str(),
            third.as_str(),
            end.as_str()
        ),
        ("ed", "cb", "a", "")
    );
}

#[tokio::test]
async fn a_clock_that_stands_or_goes_back_puts_no_post_behind_a_cursor() {
    let world = World::with(&CIVILDIY).await;
    for (i, title) in ["a", "b", "c"].iter().enumerate() {
        world.publish(&member(), title, &["public"]).await;
        if i == 1 {
            world
                .clock
                .set(kit::Clock::now(&world.clock) - TimeDelta::hours(1));
        }
    }
    assert_eq!(world.titles(None, "").await.concat(), "cba");
}
