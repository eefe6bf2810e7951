//! What happens to every request.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod common;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use common::{Open, Person, edge, server};
use http::{HeaderValue, Method};
use kit::routes::{Access, Rate, Routes};
use kit::server::{Server, request_id};
use kit::testing::{self, json, text};
use kit::{Json, NoContent, Path, Problem};
use serde_json::json;
use tokio::sync::Notify;

async fn echo(_: Open, Path(id): Path<String>) -> String {
    id
}
async fn mine(_: Person) -> NoContent {
    NoContent
}
async fn panics(_: Open) -> NoContent {
    panic!("lost my mind")
}
async fn never(_: Open) -> NoContent {
    std::future::pending().await
}
async fn which(_: Open) -> String {
    request_id().unwrap().to_str().unwrap().to_owned()
}

fn router() -> Router {
    Routes::new("things")
        .route(
            Method::GET,
            "/things/{id}",
            Access::Public,
            Rate::General,
            echo,
        )
        .route(
            Method::GET,
            "/mine",
            Access::Authenticated,
            Rate::General,
            mine,
        )
        .route(
            Method::GET,
            "/panics",
            Access::Public,
            Rate::General,
            panics,
        )
        .route(Method::GET, "/never", Access::Public, Rate::General, never)
        .route(Method::GET, "/which", Access::Public, Rate::General, which)
        .build(())
        .unwrap()
        .router
}

#[tokio::test]
async fn both_spellings_of_a_path_answer() {
    let server = server(router());
    for path in [
        "/api/things/7",
        "/api/v1/things/7",
        "/api/things/7/",
        "/api/v1/things/7/?a=b",
    ] {
        assert_eq!(
            text(testing::get(path).send(&server).await).await,
            "7",
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_request_id_is_taken_when_it_is_harmless_and_made_when_it_is_not() {
    let server = server(router());
    let id = |given: &'static str| {
        let server = server.clone();
        async move {
            let answer = testing::get("/api/which")
                .header("x-request-id", given)
                .send(&server)
                .await;
            let header = answer.headers()["x-request-id"]
                .to_str()
                .unwrap()
                .to_owned();
            assert_eq!(
                text(answer).await,
                header,
                "the handler sees the id that is answered"
            );
            header
        }
    };
    assert_eq!(id("Az09._-").await, "Az09._-");
    for bad in [
        "",
        "a b",
        "a\"b",
        "ä",
        "x123456789x123456789x123456789x123456789x123456789x123456789x1234x",
    ] {
        let made = id(bad).await;
        assert_ne!(made, bad);
        assert_eq!(made.len(), 32, "{made}");
    }
    assert_ne!(id("").await, id("").await);
}

#[tokio::test]
async fn what_no_route_answers_is_a_problem() {
    let server = server(router());
    let (status, body) = json(testing::get("/nothing").send(&server).await).await;
    assert_eq!((status, &body["code"]), (404, &json!("not_found")));
    assert!(body["request_id"].is_string());
    let answer = testing::request(Method::DELETE, "/api/things/7")
        .send(&server)
        .await;
    assert_eq!(answer.headers()["allow"], "GET,HEAD");
    let (status, body) = json(answer).await;
    assert_eq!((status, &body["code"]), (405, &json!("method_not_allowed")));
}

#[tokio::test]
async fn an_error_page_of_a_handler_is_left_alone() {
    let page = || async {
        (
            http::StatusCode::NOT_FOUND,
            axum::response::Html("<p>gone</p>"),
        )
    };
    let server = server(Router::new().route("/page", get(page)));
    assert_eq!(
        text(testing::get("/page").send(&server).await).await,
        "<p>gone</p>"
    );
}

#[tokio::test]
async fn a_panic_is_500_internal_and_the_server_goes_on() {
    let server = server(router());
    let (status, body) = json(testing::get("/api/panics").send(&server).await).await;
    assert_eq!((status, &body["code"]), (500, &json!("internal")));
    assert!(!body.to_string().contains("mind"));
    assert_eq!(
        testing::get("/api/things/7").send(&server).await.status(),
        200
    );
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_503_timeout() {
    let mut edge = edge();
    edge.limits.time = Duration::from_millis(1);
    let server = Server::new("test", router(), edge);
    let answer = testing::get("/api/never").send(&server).await;
    assert!(answer.headers().contains_key("retry-after"));
    let (status, body) = json(answer).await;
    assert_eq!((status, &body["code"]), (503, &json!("timeout")));
    assert!(server_metrics(&server).contains("route=\"/api/never\",method=\"GET\",status=\"5xx\""));
}

#[tokio::test]
async fn beyond_the_requests_at_once_the_answer_is_503_busy_until_one_is_done() {
    let (entered, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let wait = {
        let (entered, go) = (entered.clone(), go.clone());
        move || {
            let (entered, go) = (entered.clone(), go.clone());
            async move {
                entered.notify_one();
                go.notified().await;
                "done"
            }
        }
    };
    let mut edge = edge();
    edge.limits.in_flight = 1;
    let server = Server::new("test", Router::new().route("/wait", get(wait)), edge);
    let first = tokio::spawn({
        let server = server.clone();
        async move { testing::get("/wait").send(&server).await }
    });
    entered.notified().await;
    let answer = testing::get("/wait").send(&server).await;
    assert_eq!(answer.headers()["retry-after"], "1");
    let (status, body) = json(answer).await;
    assert_eq!((status, &body["code"]), (503, &json!("busy")));
    go.notify_one();
    assert_eq!(text(first.await.unwrap()).await, "done");
    go.notify_one();
    assert_eq!(testing::get("/wait").send(&server).await.status(), 200);
}

#[tokio::test]
async fn a_request_given_up_by_its_caller_makes_room_again() {
    let mut edge = edge();
    edge.limits.in_flight = 1;
    let server = Server::new("test", router(), edge);
    let given_up =
        tokio::time::timeout(Duration::ZERO, testing::get("/api/never").send(&server)).await;
    assert!(given_up.is_err());
    assert_eq!(
        testing::get("/api/things/7").send(&server).await.status(),
        200
    );
}

fn server_metrics(server: &Server) -> String {
    server.metrics().render()
}

#[tokio::test]
async fn requests_are_counted_by_service_template_method_and_family_of_status() {
    let server = server(router());
    for id in ["a", "b", "c"] {
        testing::get(&format!("/api/things/{id}"))
            .send(&server)
            .await;
    }
    testing::get("/api/mine").send(&server).await;
    testing::get("/nothing/1").send(&server).await;
    testing::get("/nothing/2").send(&server).await;
    let text = server_metrics(&server);
    for line in [
        "http_requests_total{service=\"things\",route=\"/api/things/{id}\",method=\"GET\",status=\"2xx\"} 3",
        "http_requests_total{service=\"things\",route=\"/api/mine\",method=\"GET\",status=\"4xx\"} 1",
        "http_requests_total{service=\"test\",route=\"unmatched\",method=\"GET\",status=\"4xx\"} 2",
        "http_request_duration_seconds_count{service=\"things\",route=\"/api/things/{id}\",method=\"GET\",status=\"2xx\"} 3",
        "http_requests_in_flight{service=\"test\"} 0",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

#[tokio::test]
async fn an_inner_router_tells_the_outermost_edge_its_route() {
    let inner = router();
    let outer = Router::new().fallback(move |req: axum::extract::Request| {
        let inner = inner.clone();
        async move { tower::ServiceExt::oneshot(inner, req).await }
    });
    let server = server(outer);
    assert_eq!(
        text(testing::get("/api/v1/things/7").send(&server).await).await,
        "7"
    );
    assert!(server_metrics(&server).contains("service=\"things\",route=\"/api/things/{id}\""));
}

#[tokio::test]
async fn a_compressed_problem_is_left_as_it_is() {
    let answer = || async {
        let mut response =
            axum::response::IntoResponse::into_response(Problem::not_found("gone", "gone"));
        *response.body_mut() = "compressed".into();
        response
            .headers_mut()
            .insert("content-encoding", HeaderValue::from_static("gzip"));
        response
    };
    let server = server(Router::new().route("/", get(answer)));
    assert_eq!(
        text(testing::get("/").send(&server).await).await,
        "compressed"
    );
}

#[tokio::test]
async fn without_an_edge_the_routes_answer_all_the_same() {
    let router = router();
    assert_eq!(
        text(testing::get("/api/things/7").send(&router).await).await,
        "7"
    );
    assert!(request_id().is_none());
    let (status, body) = json(testing::get("/api/mine").send(&router).await).await;
    assert_eq!((status, body.get("request_id")), (401, None));
}

#[tokio::test]
async fn sixty_four_requests_at_once_have_sixty_four_ids() {
    let server = server(router());
    let answers = (0..64).map(|_| {
        let server = server.clone();
        tokio::spawn(async move { text(testing::get("/api/which").send(&server).await).await })
    });
    let mut seen = std::collections::HashSet::new();
    for answer in answers.collect::<Vec<_>>() {
        assert!(seen.insert(answer.await.unwrap()));
    }
    let _ = Json(seen.len());
}
