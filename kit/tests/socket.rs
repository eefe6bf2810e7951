//! A server on a real socket: its limits, its answers, its end.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use common::edge;
use kit::server::{Edge, Server, metrics_worker};
use kit::service::Worker;
use kit::shutdown::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

struct Running {
    address: SocketAddr,
    shutdown: Shutdown,
    done: JoinHandle<anyhow::Result<()>>,
}

async fn start(router: Router, edge: Edge, workers: Vec<Worker>) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::default();
    let run = Server::new("test", router, edge).run(listener, workers, shutdown.clone());
    Running {
        address,
        shutdown,
        done: tokio::spawn(run),
    }
}

/// Sends bytes and reads until the server ends the connection.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // the server may refuse before everything is sent
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn who() -> Router {
    Router::new()
        .route(
            "/who",
            get(|ConnectInfo(from): ConnectInfo<SocketAddr>| async move { from.ip().to_string() }),
        )
        .route("/echo", post(|body: String| async move { body }))
}

#[tokio::test]
async fn a_request_over_the_socket_knows_where_it_comes_from() {
    let server = start(who(), edge(), vec![]).await;
    let answer = exchange(
        server.address,
        b"GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"),
        "{answer}"
    );
    let answer = exchange(
        server.address,
        b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
    )
    .await;
    assert!(answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn headers_of_more_than_16_kib_are_refused() {
    let server = start(who(), edge(), vec![]).await;
    let request = |size: usize| {
        format!(
            "GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-large: {}\r\n\r\n",
            "a".repeat(size)
        )
    };
    let answer = exchange(server.address, request(15 * 1024).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = exchange(server.address, request(17 * 1024).as_bytes()).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_headers_is_cut_off() {
    let mut edge = edge();
    edge.limits.header_time = Duration::from_millis(50);
    let server = start(who(), edge, vec![]).await;
    let answer = exchange(server.address, b"GET /who HTTP/1.1\r\nhost:").await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_body_that_never_comes_is_cut_off() {
    let mut edge = edge();
    edge.limits.time = Duration::from_millis(50);
    let server = start(who(), edge, vec![]).await;
    let answer = exchange(
        server.address,
        b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhe",
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("\"code\":\"timeout\""),
        "{answer}"
    );
}

#[tokio::test]
async fn at_a_soft_stop_running_requests_are_finished_and_then_the_workers() {
    let (entered, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let waits = {
        let (entered, go) = (entered.clone(), go.clone());
        move || async move {
            entered.notify_one();
            go.notified().await;
            "finished"
        }
    };
    let stopped = Arc::new(AtomicBool::new(false));
    let worker = {
        let stopped = stopped.clone();
        Worker::new("waiter", move |stop| async move {
            stop.cancelled().await;
            stopped.store(true, Ordering::SeqCst);
            Ok(())
        })
    };
    let server = start(
        Router::new().route("/wait", get(waits)),
        edge(),
        vec![worker],
    )
    .await;
    // an idle connection does not hold the stop up
    let idle = TcpStream::connect(server.address).await.unwrap();
    let request = tokio::spawn(exchange(
        server.address,
        b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n",
    ));
    entered.notified().await;
    server.shutdown.soft.cancel();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(
        !stopped.load(Ordering::SeqCst),
        "a running request may need its worker"
    );
    go.notify_one();
    assert!(request.await.unwrap().ends_with("finished"));
    server.done.await.unwrap().unwrap();
    assert!(stopped.load(Ordering::SeqCst));
    drop(idle);
}

async fn stuck() -> Running {
    let entered = Arc::new(Notify::new());
    let waits = {
        let entered = entered.clone();
        move || async move {
            entered.notify_one();
            std::future::pending::<()>().await;
        }
    };
    let mut edge = edge();
    edge.limits.shutdown_grace = Duration::from_millis(50);
    let server = start(Router::new().route("/wait", get(waits)), edge, vec![]).await;
    tokio::spawn(exchange(
        server.address,
        b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n",
    ));
    entered.notified().await;
    server
}

#[tokio::test]
async fn a_request_that_does_not_finish_is_cut_off_after_the_grace_time() {
    let server = stuck().await;
    server.shutdown.soft.cancel();
    let error = server.done.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "stopped before everything was finished");
}

#[tokio::test]
async fn a_hard_stop_waits_for_nothing() {
    let server = stuck().await;
    server.shutdown.hard.cancel();
    assert!(server.done.await.unwrap().is_err());
}

#[tokio::test]
async fn a_worker_that_fails_or_panics_ends_the_server_with_its_reason() {
    let failing = Worker::new("mill", |_| async { anyhow::bail!("no corn") });
    let server = start(who(), edge(), vec![failing]).await;
    let error = format!("{:#}", server.done.await.unwrap().unwrap_err());
    assert_eq!(error, "worker `mill` failed: no corn");

    let panicking = Worker::new("mill", |_| async { panic!("stone broke") });
    let server = start(who(), edge(), vec![panicking]).await;
    let error = format!("{:#}", server.done.await.unwrap().unwrap_err());
    assert_eq!(error, "worker `mill` failed: panic: stone broke");
}

#[tokio::test]
async fn a_worker_that_has_nothing_left_to_do_does_not_end_the_server() {
    let done = Worker::new("short", |_| async { Ok(()) });
    let server = start(who(), edge(), vec![done]).await;
    let answer = exchange(
        server.address,
        b"GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.shutdown.soft.cancel();
    server.done.await.unwrap().unwrap();
}

#[tokio::test]
async fn metrics_are_answered_on_a_listener_of_their_own_until_the_server_stops() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let metrics = listener.local_addr().unwrap();
    let edge = edge();
    let worker = metrics_worker(listener, "test", &edge);
    let server = start(who(), edge, vec![worker]).await;
    let request = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(
        exchange(metrics, request)
            .await
            .contains("http_requests_in_flight")
    );
    assert!(
        exchange(server.address, request)
            .await
            .starts_with("HTTP/1.1 404")
    );
    server.shutdown.soft.cancel();
    server.done.await.unwrap().unwrap();
    assert!(TcpStream::connect(metrics).await.is_err());
}

/// A stream that says what it was given, and then nothing for ever.
fn stream(first: &'static [u8]) -> Router {
    let endless = move || async move {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>(first)]);
        let body = axum::body::Body::from_stream(futures_util::StreamExt::chain(
            first,
            futures_util::stream::pending(),
        ));
        ([("content-type", "text/event-stream")], body)
    };
    Router::new().route("/events", get(endless))
}

#[tokio::test]
async fn an_event_stream_ends_with_the_soft_stop_and_keeps_nobody_waiting() {
    let server = start(stream(b": hello\n\n"), edge(), vec![]).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client
        .write_all(b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = vec![0; 16 * 1024];
    let mut length = 0;
    while !String::from_utf8_lossy(&answer[..length]).contains(": hello") {
        length += client.read(&mut answer[length..]).await.unwrap();
    }
    server.shutdown.soft.cancel();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert!(
        rest.ends_with(b"0\r\n\r\n"),
        "the end is a whole one: {rest:?}"
    );
    server.done.await.unwrap().unwrap();
}

#[tokio::test]
async fn event_streams_do_not_count_as_requests_being_answered() {
    let mut edge = edge();
    edge.limits.in_flight = 2;
    let server = Server::new("test", stream(b""), edge);
    let mut open = Vec::new();
    for _ in 0..10 {
        let response = server
            .call(
                http::Request::get("/events")
                    .body(axum::body::Body::empty())
                    .unwrap(),
            )
            .await;
        assert_eq!(response.status(), 200);
        open.push(response);
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut_off() {
    static CHUNK: [u8; 65536] = [b'x'; 65536];
    let gone = Arc::new(Notify::new());
    struct Told(Arc<Notify>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let told = gone.clone();
    let endless = move || {
        let told = Told(told.clone());
        async move {
            let chunks = futures_util::stream::repeat_with(move || {
                let _alive = &told;
                Ok::<_, std::io::Error>(&CHUNK[..])
            });
            axum::body::Body::from_stream(chunks)
        }
    };
    let mut edge = edge();
    edge.limits.write_time = Duration::from_millis(100);
    let server = start(Router::new().route("/much", get(endless)), edge, vec![]).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client
        .write_all(b"GET /much HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    gone.notified().await;
    server.shutdown.soft.cancel();
    server.done.await.unwrap().unwrap();
}
