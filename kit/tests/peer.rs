//! Calling another service.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod common;
#[path = "common/peers.rs"]
mod peers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use common::server;
use http::{HeaderMap, StatusCode};
use kit::peer::{FetchedTokens, Peer, ServiceTokens};
use kit::testing;
use kit::{Json, MockClock, Problem};
use peers::{Fixed, serve};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;

fn peer(url: &str) -> Peer {
    Peer::new("things", url, Arc::new(Fixed)).unwrap()
}

fn header(headers: &HeaderMap, name: &str) -> Value {
    headers
        .get(name)
        .map_or(Value::Null, |v| v.to_str().unwrap().into())
}

#[tokio::test]
async fn a_call_carries_the_token_and_the_id_of_the_request_that_is_answered() {
    let seen = |headers: HeaderMap| async move {
        Json(json!([
            header(&headers, "authorization"),
            header(&headers, "x-request-id")
        ]))
    };
    let peer = peer(&serve(Router::new().route("/seen", get(seen))).await);
    let alone: Value = peer.get("/seen").await.unwrap();
    assert_eq!(alone, json!(["Bearer service-token", null]));
    let outer = server(Router::new().route(
        "/ask",
        get(move || async move { peer.get::<Value>("/seen").await.map(Json) }),
    ));
    let (_, body) = testing::json(
        testing::get("/ask")
            .header("x-request-id", "id-7")
            .send(&outer)
            .await,
    )
    .await;
    assert_eq!(body[1], "id-7");
}

#[tokio::test]
async fn a_problem_of_the_peer_comes_back_as_it_was() {
    let refuse = || async { Problem::invalid("title", "is required").retry_after(9) };
    let peer = peer(&serve(Router::new().route("/refuse", post(refuse))).await);
    let problem = peer
        .post_json::<Value>("/refuse", &json!({}))
        .await
        .unwrap_err();
    assert_eq!(
        (problem.status().as_u16(), problem.code()),
        (422, "validation")
    );
    assert_eq!(
        (
            problem.fields()["title"].as_str(),
            problem.retry_after_secs()
        ),
        ("is required", Some(9))
    );
}

#[tokio::test]
async fn json_is_posted_and_an_empty_answer_is_nothing() {
    let echo = |Json(body): Json<Value>| async move { Json(body) };
    let router = Router::new()
        .route("/echo", post(echo))
        .route("/void", post(|| async { kit::NoContent }));
    let peer = peer(&serve(router).await);
    let body: Value = peer.post_json("/echo", &json!({"a": 1})).await.unwrap();
    assert_eq!(body, json!({"a": 1}));
    peer.post_json::<()>("/void", &json!(1)).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_503_with_its_name() {
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let peer = peer(&format!("http://{free}"));
    let problem = peer.get::<Value>("/x").await.unwrap_err();
    assert_eq!(
        (problem.status().as_u16(), problem.code()),
        (503, "things_unavailable")
    );
    assert_eq!(problem.retry_after_secs(), Some(2));
    assert_eq!(
        peer.post_json::<Value>("/x", &1).await.unwrap_err().code(),
        "things_unavailable"
    );
}

#[tokio::test]
async fn an_answer_that_is_not_as_agreed_is_503_as_well() {
    let peer = peer(&serve(Router::new().route("/odd", get(|| async { "no json" }))).await);
    assert_eq!(
        peer.get::<Value>("/odd").await.unwrap_err().code(),
        "things_unavailable"
    );
}

/// Breaks off the first connections, then answers.
async fn breaks_off(times: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 1024]).await;
            if number >= times {
                let _ = stream
                    .write_all(
                        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\n1",
                    )
                    .await;
            }
        }
    });
    (url, connections)
}

#[tokio::test]
async fn reading_is_tried_twice_and_writing_once() {
    let (url, _) = breaks_off(1).await;
    assert_eq!(peer(&url).get::<u8>("/x").await.unwrap(), 1);
    let (url, connections) = breaks_off(2).await;
    assert!(peer(&url).get::<u8>("/x").await.is_err());
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    let (url, connections) = breaks_off(1).await;
    assert!(peer(&url).post_json::<u8>("/x", &1).await.is_err());
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_url_of_another_scheme_is_refused_with_the_known_ones() {
    let error = Peer::new("things", "ftp://x", Arc::new(Fixed))
        .unwrap_err()
        .to_string();
    assert_eq!(error, "things: unknown scheme `ftp:`; known: http:, https:");
    assert!(Peer::new("things", "nonsense", Arc::new(Fixed)).is_err());
}

async fn issue(
    State(count): State<Arc<AtomicUsize>>,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    // portal:geheim
    if header(&headers, "authorization") != "Basic cG9ydGFsOmdlaGVpbQ==" {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let number = count.fetch_add(1, Ordering::SeqCst);
    Ok(Json(
        json!({"access_token": format!("t{number}"), "expires_in": 300}),
    ))
}

async fn issuer() -> (String, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let router = Router::new()
        .route("/internal/auth/service-token", post(issue))
        .with_state(count.clone());
    (serve(router).await, count)
}

#[tokio::test]
async fn a_service_token_is_fetched_once_and_again_thirty_seconds_before_its_end() {
    let (url, count) = issuer().await;
    let clock = MockClock::default();
    let tokens = Arc::new(
        FetchedTokens::new(&url, "portal", SecretString::from("geheim"), clock.shared()).unwrap(),
    );
    let at_once = (0..64).map(|_| {
        let tokens = tokens.clone();
        tokio::spawn(async move { tokens.bearer().await.unwrap() })
    });
    for token in at_once.collect::<Vec<_>>() {
        assert_eq!(token.await.unwrap(), "t0");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    clock.advance(chrono::Duration::seconds(269));
    assert_eq!(tokens.bearer().await.unwrap(), "t0");
    clock.advance(chrono::Duration::seconds(1));
    assert_eq!(tokens.bearer().await.unwrap(), "t1");
}

#[tokio::test]
async fn a_refused_service_is_503_and_not_the_callers_fault() {
    let (url, _) = issuer().await;
    let clock = MockClock::default().shared();
    let tokens = FetchedTokens::new(&url, "portal", SecretString::from("wrong"), clock).unwrap();
    let problem = tokens.bearer().await.unwrap_err();
    assert_eq!(
        (problem.status().as_u16(), problem.code()),
        (503, "auth_unavailable")
    );
}

#[tokio::test]
async fn readiness_says_how_the_last_call_went_and_which_setting_to_look_at() {
    let peer = peer("http://127.0.0.1:1").of_setting("peers.things");
    let check = peer.readiness();
    assert_eq!(check.ask().await, Ok(()), "nobody has called");
    peer.get::<Value>("/").await.unwrap_err();
    let error = check.ask().await.unwrap_err();
    assert_eq!(
        (&*error.code, error.setting),
        ("things_unavailable", Some("peers.things"))
    );

    let clock = MockClock::default().shared();
    let issuer = Router::new().route(
        "/internal/auth/service-token",
        post(|| async { Problem::unauthorized("who is that?") }),
    );
    for (url, setting, code) in [
        (
            &*serve(issuer).await,
            "peers.credential",
            "credential_refused",
        ),
        ("http://127.0.0.1:1", "peers.auth", "auth_unavailable"),
    ] {
        let tokens =
            FetchedTokens::new(url, "things", SecretString::from("s3cr3t"), clock.clone()).unwrap();
        let tokens = tokens.of_settings("peers.auth", "peers.credential");
        tokens.bearer().await.unwrap_err();
        let error = tokens.readiness().ask().await.unwrap_err();
        assert_eq!((&*error.code, error.setting), (code, Some(setting)));
        assert!(!error.detail.contains("s3cr3t"), "{}", error.detail);
    }
}
