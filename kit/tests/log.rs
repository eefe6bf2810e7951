//! The lines that a request leaves.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod common;
#[path = "common/heard.rs"]
mod heard;

use common::{Open, Person, server};
use heard::Heard;
use http::Method;
use kit::routes::{Access, Rate, Routes};
use kit::server::Server;
use kit::testing::{TestRequest, get};
use kit::{NoContent, Path, Problem};
use serde_json::{Value, json};

async fn read(_: Person, Path(_): Path<String>) -> NoContent {
    tracing::info!(target: "things", "inside");
    NoContent
}
async fn breaks(_: Open) -> Result<NoContent, Problem> {
    let cause = anyhow::anyhow!("disk on fire").context("cannot write");
    Err(Problem::internal(cause))
}
async fn often(_: Open) -> NoContent {
    NoContent
}

fn things() -> Server {
    let set = Routes::new("things")
        .route(
            Method::GET,
            "/things/{id}",
            Access::Authenticated,
            Rate::General,
            read,
        )
        .route(
            Method::GET,
            "/breaks",
            Access::Public,
            Rate::General,
            breaks,
        )
        .any("/often", Access::Public, Rate::Exempt, often)
        .quiet()
        .build(())
        .unwrap();
    server(set.router)
}

/// The lines that a request leaves at info and above, without their times.
async fn lines(req: TestRequest) -> Vec<Value> {
    let heard = Heard::begin();
    req.header("x-request-id", "r-1").send(&things()).await;
    let lines = heard.lines().into_iter().map(|mut line| {
        assert!(
            line.as_object_mut()
                .unwrap()
                .remove("ts")
                .unwrap()
                .as_str()
                .unwrap()
                .ends_with('Z')
        );
        if let Some(ms) = line.as_object_mut().unwrap().remove("ms") {
            assert!(ms.as_f64().unwrap() >= 0.0);
        }
        line
    });
    lines.collect()
}

#[tokio::test]
async fn a_request_leaves_one_line_with_its_template_and_its_caller_and_nothing_of_its_path_or_query()
 {
    let lines = lines(get("/api/v1/things/geheim?token=geheim").header("x-person", "42")).await;
    assert_eq!(
        lines,
        [
            json!({
                "level": "info", "module": "things", "service": "things", "version": kit::VERSION,
                "request_id": "r-1", "message": "inside",
            }),
            json!({
                "level": "info", "module": "request", "service": "things", "version": kit::VERSION,
                "request_id": "r-1", "message": "request", "route": "/api/things/{id}", "method": "GET",
                "status": 204, "user_id": 42,
            }),
        ]
    );
}

#[tokio::test]
async fn a_refusal_leaves_its_code() {
    let lines = lines(get("/api/things/7")).await;
    assert_eq!(
        (lines.len(), &lines[0]["status"], &lines[0]["code"]),
        (1, &json!(401), &json!("unauthorized"))
    );
    assert_eq!(lines[0].get("user_id"), None);
}

#[tokio::test]
async fn a_failure_leaves_one_more_line_with_the_chain_of_its_causes() {
    let lines = lines(get("/api/breaks")).await;
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["module"], &lines[0]["status"]),
        (&json!("request"), &json!(500))
    );
    assert_eq!(
        (&lines[1]["level"], &lines[1]["cause"]),
        (&json!("error"), &json!("cannot write: disk on fire"))
    );
    assert_eq!(
        (&lines[1]["request_id"], &lines[1]["code"]),
        (&json!("r-1"), &json!("internal"))
    );
}

#[tokio::test]
async fn a_quiet_route_leaves_no_line_at_info() {
    assert_eq!(lines(get("/api/often")).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_path_that_no_route_answers_is_not_written_down() {
    let lines = lines(get("/reset/geheim")).await;
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (&lines[0]["route"], &lines[0]["service"]),
        (&json!("unmatched"), &json!("test"))
    );
    assert!(!lines[0].to_string().contains("geheim"));
}
