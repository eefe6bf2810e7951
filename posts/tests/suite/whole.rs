//! The service as it is hosted: its routes table, and its workers beside its requests.

use backends::bus::Start;
use contracts::events::PostEvent;
use contracts::testing::{admin, teacher};
use contracts::topics::POSTS_EVENTS;
use kit::service::Worker;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::places::sequential;
use crate::world::World;

#[tokio::test]
async fn the_routes_table_says_who_may_call_what() {
    let world = World::new().await;
    let table: Vec<String> = world
        .table
        .iter()
        .map(|route| {
            format!(
                "{} {} {:?} {}",
                route.method.as_ref().unwrap(),
                route.path,
                route.access,
                route.guard
            )
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r"
    POST /api/posts Authenticated Member
    GET /api/posts Optional Visitor
    GET /api/posts/{id} Optional Visitor
    PUT /api/posts/{id} Authenticated Member
    DELETE /api/posts/{id} Authenticated Member
    GET /internal/posts/export Internal Service
    POST /internal/posts/page Internal Service
    GET /internal/posts/{id} Internal Service
    ");
}

#[tokio::test]
async fn what_happened_to_a_post_is_on_the_bus_in_its_order() {
    let mut world = World::new().await;
    let stop = CancellationToken::new();
    let mut workers = JoinSet::new();
    let mut start = |idle: Vec<Worker>| {
        for worker in idle {
            workers.spawn(worker.run(stop.clone()));
        }
    };
    let mut idle = std::mem::take(&mut world.workers);
    if !sequential() {
        start(std::mem::take(&mut idle));
    }
    let mut events = world
        .bus
        .bus
        .subscribe("test", &[POSTS_EVENTS.name], Start::Committed)
        .await
        .unwrap();
    let id = world.publish(&teacher(), "a", &["school"]).await;
    world.put(&teacher(), &id, &json!({"title": "b"})).await;
    world
        .put(
            &admin(),
            &id,
            &json!({"audience": ["user:6"], "reason": "r"}),
        )
        .await;
    world.delete(&teacher(), &id).await;
    start(idle);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let delivered = events.next().await.unwrap();
        assert_eq!(
            delivered.record.key.as_deref(),
            Some(&*format!("post:{id}"))
        );
        seen.push(match PostEvent::read(&delivered).unwrap() {
            PostEvent::Created(post) => format!(
                "created {} {} {:?}",
                post.version, post.title, post.audience
            ),
            PostEvent::Updated(post) => format!(
                "updated {} {} {:?}",
                post.version, post.title, post.audience
            ),
            PostEvent::Deleted(post) => format!("deleted {} {:?}", post.version, post.reason),
            PostEvent::Foreign(_) => "foreign".to_owned(),
        });
    }
    assert_eq!(
        seen,
        [
            "created 1 a [School]",
            "updated 2 b [School]",
            "updated 3 b [User(UserId(6))]",
            "deleted 4 Author"
        ]
    );
    stop.cancel();
    while let Some(ended) = workers.join_next().await {
        ended.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_store_that_is_gone_is_503_and_never_an_empty_list() {
    let world = World::new().await;
    let id = world.publish(&teacher(), "a", &["school"]).await;
    world.place.goes_away().await;
    for answer in [
        world.get(Some(&teacher()), "/api/posts").await,
        world
            .get(Some(&teacher()), &format!("/api/posts/{id}"))
            .await,
        world
            .post(&teacher(), &json!({"title": "b", "content": "x"}))
            .await,
        world.delete(&teacher(), &id).await,
    ] {
        assert_eq!(
            (answer.problem(), answer.header("retry-after")),
            ((503, "store_unavailable"), Some("2"))
        );
    }
}
