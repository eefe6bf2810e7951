//! Alive, ready, degraded.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::Duration;
use common::{Open, edge};
use http::Method;
use kit::routes::{Access, Rate, Routes};
use kit::server::{Server, service_router};
use kit::service::{Check, CheckError, Health, Service};
use kit::testing::{get, json, text};
use kit::{MockClock, NoContent};
use serde_json::json;

async fn open(_: Open) -> NoContent {
    NoContent
}

fn failing() -> Result<(), CheckError> {
    Err(CheckError::new("gone", "secret detail"))
}

fn things(checks: Vec<Check>) -> Server {
    let routes = Routes::new("things")
        .route(Method::GET, "/things", Access::Public, Rate::General, open)
        .build(())
        .unwrap();
    let edge = edge();
    let (router, workers) = service_router(
        Service {
            name: "things",
            routes,
            workers: vec![],
            checks,
        },
        &edge,
    );
    assert!(workers.is_empty());
    Server::new("things", router, edge)
}

#[tokio::test]
async fn a_service_alone_answers_its_routes_its_health_and_its_metrics() {
    let server = things(vec![]);
    assert_eq!(get("/api/things").send(&server).await.status(), 204);
    for path in ["/health", "/api/things/health", "/api/v1/things/health/"] {
        let (status, body) = json(get(path).send(&server).await).await;
        assert_eq!(
            (status, body),
            (
                200,
                json!({"status": "healthy", "service": "things", "version": kit::VERSION, "timestamp": "2026-03-02T08:00:00Z"})
            )
        );
    }
    let answer = get("/metrics").send(&server).await;
    assert_eq!(
        answer.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert!(text(answer).await.contains("route=\"/api/things\""));
}

#[tokio::test]
async fn without_what_is_essential_it_is_alive_and_not_ready() {
    let server = things(vec![
        Check::essential("store", || async { failing() }),
        Check::degrading("bus", || async { Ok(()) }),
    ]);
    assert_eq!(get("/health").send(&server).await.status(), 200);
    let (status, body) = json(get("/health/ready").send(&server).await).await;
    assert_eq!((status, &body["status"]), (503, &json!("unready")));
    assert_eq!(body["checks"]["store"]["error_code"], "gone");
    assert_eq!(body["checks"]["bus"]["ok"], true);
    assert!(!body.to_string().contains("secret detail"));
}

#[tokio::test]
async fn without_what_it_can_do_without_it_is_ready_and_degraded() {
    let server = things(vec![
        Check::essential("store", || async { Ok(()) }),
        Check::degrading("bus", || async { failing() }),
    ]);
    let (status, body) = json(get("/health/ready").send(&server).await).await;
    assert_eq!((status, &body["status"]), (200, &json!("degraded")));
    assert_eq!(body["checks"]["bus"]["ok"], false);
}

#[tokio::test]
async fn with_everything_it_is_ready() {
    let (status, body) = json(get("/health/ready").send(&things(vec![])).await).await;
    assert_eq!(
        (status, body),
        (200, json!({"status": "ready", "checks": {}}))
    );
}

#[tokio::test]
async fn a_check_that_hangs_counts_as_failed_after_a_second_and_names_its_setting() {
    let check = Check::essential("store", std::future::pending).of_setting("things.store");
    let (status, body) = json(get("/health/ready").send(&things(vec![check])).await).await;
    let found = &body["checks"]["store"];
    assert_eq!(
        (status, &found["error_code"], &found["setting"]),
        (503, &json!("timeout"), &json!("things.store"))
    );
}

#[tokio::test]
async fn a_check_is_asked_once_a_second_however_many_ask() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = {
        let asked = asked.clone();
        Check::essential("store", move || {
            let asked = asked.clone();
            async move {
                asked.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(())
            }
        })
    };
    let clock = MockClock::default();
    let health = Health::new("things", vec![count], clock.shared());
    let at_once = (0..64).map(|_| {
        let health = health.clone();
        tokio::spawn(async move { health.ready().await.status })
    });
    for asking in at_once.collect::<Vec<_>>() {
        assert_eq!(asking.await.unwrap(), "ready");
    }
    clock.advance(Duration::milliseconds(999));
    health.ready().await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    clock.advance(Duration::milliseconds(1));
    health.ready().await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_server_that_stops_is_not_ready() {
    let server = things(vec![]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    stop.cancel();
    server.clone().run(listener, vec![], stop).await.unwrap();
    let (status, body) = json(get("/health/ready").send(&server).await).await;
    assert_eq!((status, &body["status"]), (503, &json!("stopping")));
    assert_eq!(get("/health").send(&server).await.status(), 200);
}
