//! One trace from the request over the outbox and the bus to whoever applies its event, told to a collector.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::support::process::{Running, finish, schoolyard};
use crate::support::{Person, School};

type Told = Arc<watch::Sender<Vec<u8>>>;

async fn take(State(told): State<Told>, body: Bytes) {
    told.send_modify(|told| told.extend_from_slice(&body));
}

fn has(told: &[u8], text: &[u8]) -> bool {
    told.windows(text.len()).any(|window| window == text)
}

#[tokio::test]
async fn a_post_and_what_comes_of_it_are_one_trace_in_which_nobody_is_named() {
    let told = Told::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/v1/traces", post(take))
        .with_state(told.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let data = tempfile::tempdir().unwrap();
    let create = ["admin", "create", "--email", "ines@school.example"];
    let made = finish(schoolyard(data.path(), &create, &[]), School::PASSWORD).await;
    assert_eq!(made.code, 0, "{}", made.stderr);
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("SCHOOLYARD_LOG__FILTER", "warn"),
    ];
    let server = Running::serve(data.path(), &[], &settings).await;
    let ines = Person::nobody(&server.base)
        .login("ines@school.example", School::PASSWORD)
        .await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let body = json!({"title": "Bees", "content": "<p>in the garden</p>", "audience": ["school"]});
    let request = ines
        .request(Method::POST, "/api/posts?who=ines")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .json(&body);
    ines.send(request).await.expect(200);

    let mut watching = told.subscribe();
    let whole =
        watching.wait_for(|told| has(told, b"POST /api/posts") && has(told, b"apply posts-events"));
    let whole = tokio::time::timeout(Duration::from_secs(30), whole).await;
    let whole = whole.expect("both are told").unwrap().clone();
    let id: Vec<u8> = (0..16)
        .map(|at| u8::from_str_radix(&trace[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let spans = whole.windows(16).filter(|window| **window == *id).count();
    assert!(spans >= 2, "{spans}");
    for name in ["ines", "Ines", "Bees", "garden", "?who"] {
        assert!(!has(&whole, name.as_bytes()), "{name}");
    }
    assert_eq!(server.terminate().await, 0);
}
