//! How problems look, with and without an edge, and over the wire.

#[expect(dead_code, reason = "each test file uses a part of it")]
mod common;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use common::server;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use kit::Problem;
use kit::testing::{self, json, text};
use serde_json::{Value, json};

fn full() -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "stale",
        "somebody else was faster",
    )
    .field("title", "is too long")
    .retry_after(7)
    .header(
        HeaderName::from_static("x-more"),
        HeaderValue::from_static("1"),
    )
    .member("version", 3)
    .cause(anyhow::anyhow!("secret cause"))
}

#[tokio::test]
async fn a_problem_is_problem_json_with_all_its_parts_and_without_its_cause() {
    let response = full().into_response();
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(response.headers()["x-more"], "1");
    let (status, body) = json(response).await;
    assert_eq!(status, 412);
    assert_eq!(
        body,
        json!({
            "type": "about:blank", "title": "Precondition Failed", "status": 412, "code": "stale",
            "detail": "somebody else was faster", "fields": {"title": "is too long"}, "version": 3,
        })
    );
}

#[tokio::test]
async fn the_edge_adds_the_request_id_to_the_problem_and_the_header() {
    let server = server(Router::new().route("/", get(|| async { full() })));
    let response = testing::get("/")
        .header("x-request-id", "abc-1")
        .send(&server)
        .await;
    assert_eq!(response.headers()["x-request-id"], "abc-1");
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let (_, body) = json(response).await;
    assert_eq!(body["request_id"], "abc-1");
    assert_eq!(body["version"], 3);
}

#[tokio::test]
async fn an_internal_problem_says_nothing_of_its_cause() {
    let server = server(Router::new().route(
        "/",
        get(|| async { Problem::internal(anyhow::anyhow!("password 123")) }),
    ));
    let answer = testing::get("/").send(&server).await;
    assert_eq!(answer.status(), 500);
    let body = text(answer).await;
    assert!(body.contains("\"code\":\"internal\""), "{body}");
    assert!(!body.contains("123"), "{body}");
}

#[test]
fn each_kind_has_its_status_and_what_belongs_to_it() {
    let response = Problem::unauthorized("sign in first").into_response();
    assert_eq!(
        (response.status(), &response.headers()["www-authenticate"]),
        (
            StatusCode::UNAUTHORIZED,
            &HeaderValue::from_static("Bearer")
        )
    );
    assert_eq!(Problem::unauthorized_as("expired", "x").code(), "expired");
    let response = Problem::unavailable("store_unavailable", "x").into_response();
    assert_eq!(
        (
            response.status().as_u16(),
            &response.headers()["retry-after"]
        ),
        (503, &HeaderValue::from_static("2"))
    );
    let invalid = Problem::invalid("title", "is required");
    assert_eq!(
        (
            invalid.status().as_u16(),
            invalid.code(),
            invalid.fields()["title"].as_str()
        ),
        (422, "validation", "is required")
    );
    for (problem, status) in [
        (Problem::bad_request("a", "b"), 400),
        (Problem::forbidden("a", "b"), 403),
        (Problem::not_found("a", "b"), 404),
        (Problem::conflict("a", "b"), 409),
        (Problem::unprocessable("a", "b"), 422),
    ] {
        assert_eq!(problem.status().as_u16(), status);
    }
}

#[test]
fn a_problem_is_an_error_with_its_cause_as_source() {
    let problem = full();
    assert_eq!(problem.to_string(), "412 stale: somebody else was faster");
    assert_eq!(
        std::error::Error::source(&problem).unwrap().to_string(),
        "secret cause"
    );
}

#[tokio::test]
async fn a_problem_survives_the_wire() {
    let server = server(Router::new().route("/", get(|| async { full() })));
    let response = testing::get("/").send(&server).await;
    let (status, headers) = (response.status(), response.headers().clone());
    let again = Problem::from_wire(status, &headers, text(response).await.as_bytes());
    assert_eq!(
        (again.status().as_u16(), again.code(), again.detail()),
        (412, "stale", "somebody else was faster")
    );
    assert_eq!(again.fields()["title"], "is too long");
    assert_eq!(again.retry_after_secs(), Some(7));
    let (_, body) = json(again.into_response()).await;
    assert_eq!(body["version"], 3);
    assert_eq!(
        body["request_id"],
        Value::Null,
        "the edge that answers writes its own"
    );
}

#[test]
fn an_answer_that_is_no_problem_becomes_one_named_by_its_status() {
    for (status, body, code) in [
        (404, "<html>nothing</html>", "not_found"),
        (502, "", "internal"),
        (503, "[]", "unavailable"),
        (400, "{\"error\":\"x\"}", "bad_request"),
    ] {
        let problem = Problem::from_wire(
            StatusCode::from_u16(status).unwrap(),
            &HeaderMap::new(),
            body.as_bytes(),
        );
        assert_eq!((problem.status().as_u16(), problem.code()), (status, code));
    }
}
