//! Calling a service that has several instances.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod common;
#[path = "common/peers.rs"]
mod peers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use futures_util::StreamExt;
use http::StatusCode;
use kit::peer::{FetchedTokens, Peer, Pool, ServiceTokens};
use kit::{Json, MockClock, Problem};
use peers::{Fixed, serve};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// An instance that answers `well` at `/x`, with any method.
async fn well() -> String {
    let answer = || async { Json("well") };
    serve(Router::new().route("/x", get(answer).post(answer))).await
}

/// Where nobody listens.
async fn nobody() -> String {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", free.local_addr().unwrap())
}

/// Takes connections and requests, counts them, and does `then` with what is written back.
async fn raw(answer: Option<&'static str>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            counted.fetch_add(1, Ordering::SeqCst);
            match answer {
                Some(answer) => {
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
                None => silent.push(stream),
            }
        }
    });
    (url, count)
}

fn pool(clock: &MockClock, urls: &[&str]) -> Pool {
    let pool = Pool::found("things", clock.shared());
    pool.replace(
        urls.iter()
            .enumerate()
            .map(|(number, url)| (number.to_string(), url.parse().unwrap())),
    );
    pool
}

fn peer(urls: &[&str]) -> Peer {
    Peer::of(pool(&MockClock::default(), urls), Arc::new(Fixed)).unwrap()
}

async fn get_x(peer: &Peer) -> Result<String, Problem> {
    peer.get("/x").await
}

async fn post_x(peer: &Peer) -> Result<String, Problem> {
    peer.post_json("/x", &json!({})).await
}

#[tokio::test]
async fn while_one_of_two_is_killed_no_call_fails_that_was_not_sent() {
    let peer = peer(&[&nobody().await, &well().await]);
    for _ in 0..8 {
        assert_eq!(get_x(&peer).await.unwrap(), "well");
    }
    // every other one is meant for the dead one first
    for _ in 0..8 {
        assert_eq!(post_x(&peer).await.unwrap(), "well");
    }
}

#[tokio::test]
async fn a_write_that_was_sent_is_not_sent_again_and_a_read_is() {
    let (broken, count) = raw(Some("")).await;
    let peer = peer(&[&broken, &well().await]);
    let writes = [post_x(&peer).await, post_x(&peer).await];
    let failed: Vec<_> = writes.into_iter().filter_map(Result::err).collect();
    assert_eq!((failed.len(), count.load(Ordering::SeqCst)), (1, 1));
    assert_eq!(failed[0].code(), "things_unavailable");
    for _ in 0..2 {
        assert_eq!(get_x(&peer).await.unwrap(), "well");
    }
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_answer_of_a_proxy_alone_is_asked_for_elsewhere() {
    for answer in [
        "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/html\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno",
    ] {
        let (proxy, _) = raw(Some(answer)).await;
        let both = peer(&[&proxy, &well().await]);
        for _ in 0..4 {
            assert_eq!(get_x(&both).await.unwrap(), "well");
        }
        let alone = peer(&[&proxy]);
        assert!(get_x(&alone).await.unwrap_err().status().is_server_error());
    }
}

#[tokio::test]
async fn a_problem_of_the_service_itself_is_the_answer_wherever_it_comes_from() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let lacking = serve(Router::new().route(
        "/x",
        get(move || async move {
            counted.fetch_add(1, Ordering::SeqCst);
            Problem::unavailable("store_unavailable", "the store is away").retry_after(7)
        }),
    ))
    .await;
    let peer = peer(&[&lacking, &lacking]);
    for _ in 0..30 {
        let problem = get_x(&peer).await.unwrap_err();
        assert_eq!(
            (problem.code(), problem.retry_after_secs()),
            ("store_unavailable", Some(7))
        );
    }
    assert_eq!(
        asked.load(Ordering::SeqCst),
        30,
        "neither twice nor left alone"
    );
}

#[tokio::test]
async fn one_that_keeps_failing_is_left_alone_until_ten_seconds_later() {
    let clock = MockClock::default();
    let (broken, count) = raw(Some("")).await;
    let peer = Peer::of(pool(&clock, &[&broken, &well().await]), Arc::new(Fixed)).unwrap();
    for _ in 0..100 {
        assert_eq!(get_x(&peer).await.unwrap(), "well");
    }
    assert_eq!(count.load(Ordering::SeqCst), 20);
    clock.advance(chrono::Duration::seconds(10));
    for _ in 0..100 {
        assert_eq!(get_x(&peer).await.unwrap(), "well");
    }
    assert_eq!(count.load(Ordering::SeqCst), 21, "one call tries");
}

#[tokio::test]
async fn when_all_keep_failing_the_answer_is_503_at_once_with_the_wait() {
    let (broken, count) = raw(Some("")).await;
    let peer = peer(&[&broken]);
    for _ in 0..10 {
        get_x(&peer).await.unwrap_err();
    }
    assert_eq!(count.load(Ordering::SeqCst), 20, "each was tried twice");
    let problem = get_x(&peer).await.unwrap_err();
    assert_eq!(
        (problem.status(), problem.code(), problem.retry_after_secs()),
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "things_unavailable",
            Some(10)
        )
    );
    assert_eq!(count.load(Ordering::SeqCst), 20);
}

#[tokio::test]
async fn one_that_is_silent_is_given_three_seconds_and_then_another_is_asked() {
    let (silent, asked) = raw(None).await;
    let peer = peer(&[&silent, &well().await]);
    let began = std::time::Instant::now();
    for _ in 0..2 {
        assert_eq!(get_x(&peer).await.unwrap(), "well");
    }
    let took = began.elapsed().as_millis();
    assert!((2_900..20_000).contains(&took), "{took} ms");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// Streams a line, and the next when told.
fn lines(name: &'static str, go: Arc<Notify>) -> Router {
    let answer = move || {
        let go = go.clone();
        async move {
            let first = futures_util::stream::iter([Ok::<_, std::io::Error>(format!("{name}\n"))]);
            let second = futures_util::stream::once(async move {
                go.notified().await;
                Ok("end\n".to_owned())
            });
            axum::body::Body::from_stream(first.chain(second)).into_response()
        }
    };
    let who = move || async move { Json(name) };
    Router::new()
        .route("/lines", get(answer))
        .route("/x", get(who))
}

#[tokio::test]
async fn a_stream_is_begun_elsewhere_when_one_cannot_be_reached_and_keeps_its_instance_busy() {
    let go = Arc::new(Notify::new());
    let (a, b) = (
        serve(lines("a", go.clone())).await,
        serve(lines("b", go.clone())).await,
    );
    let dead = peer(&[&nobody().await, &a]);
    for _ in 0..2 {
        let mut stream = dead.get_lines("/lines").await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), "a");
    }
    let both = peer(&[&a, &b]);
    let mut stream = both.get_lines("/lines").await.unwrap();
    let busy = stream.next().await.unwrap().unwrap();
    for _ in 0..4 {
        assert_ne!(
            get_x(&both).await.unwrap(),
            busy,
            "the other has nothing to do"
        );
    }
    go.notify_one();
    assert_eq!(stream.next().await.unwrap().unwrap(), "end");
    assert!(stream.next().await.is_none());
    drop(stream);
    let idle = [get_x(&both).await.unwrap(), get_x(&both).await.unwrap()];
    assert!(idle.contains(&busy), "{idle:?}");
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_an_error_and_is_not_begun_anew() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\none\ntw";
    let (breaks, count) = raw(Some(answer)).await;
    let peer = peer(&[&breaks, &breaks]);
    let stream = peer.get_lines("/lines").await.unwrap();
    let read: Vec<_> = stream.collect().await;
    assert_eq!(read[0].as_ref().unwrap(), "one");
    assert_eq!(read[1].as_ref().unwrap_err().code(), "things_unavailable");
    assert_eq!((read.len(), count.load(Ordering::SeqCst)), (2, 1));
}

#[tokio::test]
async fn a_service_token_comes_from_whichever_instance_can_be_reached() {
    let issue = || async { Json::<Value>(json!({"access_token": "t", "expires_in": 300})) };
    let router = Router::new().route("/internal/auth/service-token", axum::routing::post(issue));
    let issuer = serve(router).await;
    let clock = MockClock::default();
    for _ in 0..2 {
        let pool = pool(&clock, &[&nobody().await, &issuer]);
        let secret = SecretString::from("geheim");
        let tokens = FetchedTokens::of(pool, "portal", secret, clock.shared()).unwrap();
        assert_eq!(tokens.bearer().await.unwrap(), "t");
    }
    let none = Pool::found("auth", clock.shared());
    let tokens =
        FetchedTokens::of(none, "portal", SecretString::from("x"), clock.shared()).unwrap();
    assert_eq!(
        tokens.bearer().await.unwrap_err().code(),
        "auth_unavailable"
    );
}
