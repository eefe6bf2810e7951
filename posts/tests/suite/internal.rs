//! What other services ask, by HTTP and within the process.

use contracts::UserId;
use contracts::clients::{ExportOrder, ExportRow, PageFilters, PageQuery};
use contracts::testing::{admin, member, student, teacher};
use futures_util::TryStreamExt;
use http::Method;
use kit::testing::Answer;
use serde_json::{Value, json};

use crate::world::World;

async fn ask(world: &World, method: Method, path: &str, body: Option<Value>) -> Answer {
    let bearer = format!("Bearer {}", world.service_token("feed"));
    world
        .send(
            None,
            method,
            path,
            &[("authorization", &bearer)],
            body.as_ref(),
        )
        .await
}

fn names(export: &str) -> Vec<String> {
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        match row["post"]["title"].as_str() {
            Some(title) => title.to_owned(),
            None => format!("gone at {}", row["tombstone"]["version"]),
        }
    };
    export.lines().map(row).collect()
}

#[tokio::test]
async fn only_services_ask_and_a_person_is_refused_whatever_their_role() {
    let world = World::new().await;
    for (method, path) in [
        (Method::GET, "/internal/posts/export?order=newest"),
        (Method::POST, "/internal/posts/page"),
        (Method::GET, "/internal/posts/65f0a1b2c3d4e5f601234567"),
    ] {
        assert_eq!(
            world
                .send(None, method.clone(), path, &[], None)
                .await
                .status,
            401,
            "{path}"
        );
        assert_eq!(
            world
                .send(Some(&admin()), method, path, &[], None)
                .await
                .status,
            401,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_export_has_every_post_whole_and_every_tombstone() {
    let world = World::new().await;
    let a = world.publish(&teacher(), "a", &["school"]).await;
    let b = world.publish(&admin(), "b", &["user:6"]).await;
    world.publish(&teacher(), "c", &["school"]).await;
    world.put(&teacher(), &a, &json!({"title": "a2"})).await;
    world.delete(&admin(), &b).await;
    let newest = ask(
        &world,
        Method::GET,
        "/internal/posts/export?order=newest",
        None,
    )
    .await;
    assert_eq!(
        (newest.status, newest.header("content-type")),
        (200, Some("application/x-ndjson"))
    );
    assert_eq!(names(&newest.text), ["c", "a2", "gone at 2"]);
    let by_id = ask(&world, Method::GET, "/internal/posts/export?order=id", None).await;
    assert_eq!(names(&by_id.text), ["a2", "gone at 2", "c"]);
    let after = ask(
        &world,
        Method::GET,
        &format!("/internal/posts/export?order=id&after={b}"),
        None,
    )
    .await;
    assert_eq!(names(&after.text), ["c"]);
    let behind_a_deleted_one = ask(
        &world,
        Method::GET,
        &format!("/internal/posts/export?order=newest&after={b}"),
        None,
    )
    .await;
    assert_eq!(names(&behind_a_deleted_one.text), ["a2", "gone at 2"]);
    for bad in [
        "order=newest&after=x",
        "order=newest&after=65f0a1b2c3d4e5f601234567",
    ] {
        assert_eq!(
            ask(
                &world,
                Method::GET,
                &format!("/internal/posts/export?{bad}"),
                None
            )
            .await
            .status,
            404
        );
    }
    assert_eq!(
        ask(
            &world,
            Method::GET,
            "/internal/posts/export?order=oldest",
            None
        )
        .await
        .status,
        422
    );

    let event = world
        .events()
        .await
        .into_iter()
        .find(|(kind, _)| kind == "post.updated")
        .unwrap()
        .1;
    let line: Value = serde_json::from_str(by_id.text.lines().next().unwrap()).unwrap();
    assert_eq!(line["post"], event, "the export says what the event says");
    let rows: Vec<ExportRow> = world
        .client
        .export(ExportOrder::Id)
        .try_collect()
        .await
        .unwrap();
    let lines: Vec<String> = rows
        .iter()
        .map(|row| serde_json::to_string(row).unwrap())
        .collect();
    assert_eq!(
        lines,
        by_id.text.lines().collect::<Vec<_>>(),
        "the local client answers the same"
    );
}

#[tokio::test]
async fn a_long_export_is_complete_in_both_orders() {
    let world = World::new().await;
    for i in 0..1203 {
        let id = world
            .publish(&teacher(), &format!("{i}"), &["school"])
            .await;
        if i % 100 == 0 {
            world.delete(&teacher(), &id).await;
        }
    }
    for order in [ExportOrder::Newest, ExportOrder::Id] {
        let rows: Vec<ExportRow> = world.client.export(order).try_collect().await.unwrap();
        let mut titles: Vec<usize> = rows
            .iter()
            .filter_map(|row| match row {
                ExportRow::Post(post) => Some(post.title.parse().unwrap()),
                ExportRow::Tombstone(_) => None,
            })
            .collect();
        if order == ExportOrder::Newest {
            titles.reverse();
        }
        assert_eq!(
            titles,
            (0..1203).filter(|i| i % 100 != 0).collect::<Vec<_>>()
        );
        assert_eq!(rows.len(), 1203);
    }
}

#[tokio::test]
async fn a_page_on_a_readers_behalf_is_what_that_reader_would_be_listed() {
    let world = World::new().await;
    world.publish(&admin(), "a", &["school"]).await;
    world.publish(&admin(), "b", &["role:student"]).await;
    world.publish(&admin(), "c", &["user:6"]).await;
    world.publish(&teacher(), "d", &["school"]).await;
    let page = async |body: Value| {
        let answer = ask(&world, Method::POST, "/internal/posts/page", Some(body)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let titles: String = answer.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|post| post["title"].as_str().unwrap())
            .collect();
        (titles, answer.body["next_cursor"].clone())
    };
    assert_eq!(
        page(json!({"audiences": ["school"], "limit": 10})).await.0,
        "da"
    );
    assert_eq!(
        page(json!({"audiences": ["school"], "reader": 1, "limit": 10}))
            .await
            .0,
        "dcba"
    );
    assert_eq!(
        page(json!({"audiences": [], "limit": 10})).await,
        (String::new(), json!(null))
    );
    assert_eq!(
        page(json!({"audiences": ["school", "role:student"], "limit": 10, "skip": 1}))
            .await
            .0,
        "ba"
    );
    assert_eq!(
        page(json!({"audiences": ["school", "user:6"], "limit": 10, "filters": {"user_id": 1}}))
            .await
            .0,
        "ca"
    );
    let (first, cursor) = page(json!({"audiences": ["school"], "reader": 1, "limit": 3})).await;
    let (second, end) =
        page(json!({"audiences": ["school"], "reader": 1, "limit": 3, "cursor": cursor})).await;
    assert_eq!(
        (first.as_str(), second.as_str(), end),
        ("dcb", "a", json!(null))
    );

    let query = PageQuery {
        audiences: vec!["school".parse().unwrap()],
        reader: Some(UserId(1)),
        cursor: None,
        skip: 0,
        limit: 3,
        filters: PageFilters::default(),
    };
    let local = world.client.page(&query).await.unwrap();
    let remote = ask(
        &world,
        Method::POST,
        "/internal/posts/page",
        Some(serde_json::to_value(&query).unwrap()),
    )
    .await;
    assert_eq!(serde_json::to_value(&local).unwrap(), remote.body);
}

#[tokio::test]
async fn a_page_refuses_what_a_list_refuses() {
    let world = World::new().await;
    for (body, problem) in [
        (json!({"audiences": [], "limit": 0}), (422, "validation")),
        (json!({"audiences": [], "limit": 101}), (422, "validation")),
        (
            json!({"audiences": [], "limit": 1, "skip": 10_001}),
            (422, "validation"),
        ),
        (
            json!({"audiences": [], "limit": 1, "cursor": "x"}),
            (400, "bad_cursor"),
        ),
        (
            json!({"audiences": ["moon"], "limit": 1}),
            (422, "validation"),
        ),
        (
            json!({"audiences": [], "limit": 1, "sort": 1}),
            (422, "unknown_field"),
        ),
    ] {
        assert_eq!(
            ask(&world, Method::POST, "/internal/posts/page", Some(body))
                .await
                .problem(),
            problem
        );
    }
}

#[tokio::test]
async fn public_posts_are_on_no_page_while_public_does_not_exist() {
    let open = World::with(&crate::world::CIVILDIY).await;
    open.publish(&member(), "a", &["public"]).await;
    let query = PageQuery {
        audiences: vec!["public".parse().unwrap()],
        reader: None,
        cursor: None,
        skip: 0,
        limit: 3,
        filters: PageFilters::default(),
    };
    assert_eq!(open.client.page(&query).await.unwrap().items.len(), 1);
    let closed = World::on(open.place, &[]).await;
    assert!(closed.client.page(&query).await.unwrap().items.is_empty());
    assert!(closed.titles(Some(&student()), "").await.is_empty());
    assert_eq!(
        closed.titles(Some(&member()), "").await,
        ["a"],
        "an author sees their own"
    );
}

#[tokio::test]
async fn one_post_is_found_whatever_its_audience_and_a_deleted_one_is_not() {
    let world = World::new().await;
    let id = world.publish(&admin(), "a", &["user:6"]).await;
    let found = ask(&world, Method::GET, &format!("/internal/posts/{id}"), None).await;
    assert_eq!(
        (found.status, found.body["title"].as_str()),
        (200, Some("a"))
    );
    assert_eq!(
        serde_json::to_value(world.client.find(id.parse().unwrap()).await.unwrap()).unwrap(),
        found.body
    );
    world.delete(&admin(), &id).await;
    assert_eq!(
        ask(&world, Method::GET, &format!("/internal/posts/{id}"), None)
            .await
            .problem(),
        (404, "post_not_found")
    );
    assert_eq!(
        ask(&world, Method::GET, "/internal/posts/x", None)
            .await
            .problem(),
        (404, "post_not_found")
    );
    assert_eq!(world.client.find(id.parse().unwrap()).await.unwrap(), None);
}
