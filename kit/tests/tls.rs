//! A server over TLS: who is answered, with what certificate, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod common;
mod secure;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use bytes::Bytes;
use common::edge;
use http::Version;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::TokioIo;
use secure::{Authority, connect, http2, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Barrier, Notify};

fn who() -> Router {
    let who = |ConnectInfo(from): ConnectInfo<SocketAddr>| async move { from.ip().to_string() };
    Router::new().route("/who", get(who))
}

async fn ask(sender: &mut SendRequest<Empty<Bytes>>, path: &str) -> http::Response<Incoming> {
    let request = secure::get(path).body(Empty::new()).unwrap();
    sender.send_request(request).await.unwrap()
}

async fn text(answer: http::Response<Incoming>) -> String {
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn http2_is_spoken_with_who_offers_it_and_the_edge_is_the_same() {
    let authority = Authority::new();
    let server = start(who(), edge(), authority.tls()).await;
    let (mut sender, _connection) = http2(server.address, &authority).await;
    let answer = ask(&mut sender, "/who").await;
    assert_eq!(
        (answer.version(), answer.status().as_u16()),
        (Version::HTTP_2, 200)
    );
    assert!(answer.headers().contains_key("x-request-id"));
    assert_eq!(text(answer).await, "127.0.0.1");
    let nothing = ask(&mut sender, "/nothing").await;
    assert_eq!(nothing.status(), 404);
    assert!(text(nothing).await.contains("\"code\":\"not_found\""));
}

#[tokio::test]
async fn http1_is_spoken_with_who_does_not_offer_http2() {
    let authority = Authority::new();
    let server = start(who(), edge(), authority.tls()).await;
    for alpn in [&b"http/1.1"[..], b""] {
        let stream = connect(server.address, authority.client(alpn))
            .await
            .unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        for _ in 0..2 {
            let request = http::Request::get("/who").header("host", "x");
            let request = request.body(Empty::<Bytes>::new()).unwrap();
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(answer.version(), Version::HTTP_11);
            assert_eq!(text(answer).await, "127.0.0.1");
        }
    }
}

#[tokio::test]
async fn who_speaks_without_tls_or_something_unknown_over_it_is_not_answered() {
    let authority = Authority::new();
    let server = start(who(), edge(), authority.tls()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(
        !String::from_utf8_lossy(&answer).contains("HTTP/"),
        "{answer:?}"
    );
    assert!(
        connect(server.address, authority.client(b"spdy/1"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn two_hundred_requests_run_at_once_on_one_connection() {
    let all_there = Arc::new(Barrier::new(200));
    let meet = move || async move {
        all_there.wait().await;
        "met"
    };
    let authority = Authority::new();
    let router = Router::new().route("/meet", get(meet));
    let server = start(router, edge(), authority.tls()).await;
    let (sender, _connection) = http2(server.address, &authority).await;
    let asked = (0..200).map(|_| {
        let mut sender = sender.clone();
        tokio::spawn(async move { text(ask(&mut sender, "/meet").await).await })
    });
    for answer in asked.collect::<Vec<_>>() {
        assert_eq!(answer.await.unwrap(), "met");
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_from_the_next_connection_on_and_open_ones_go_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let tls = old.tls();
    let server = start(who(), edge(), tls.clone()).await;
    let client = old.client(b"http/1.1");
    // a first one, so that the client has something to resume
    let mut first = connect(server.address, client.clone()).await.unwrap();
    let request = b"GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    first.write_all(request).await.unwrap();
    first.read_to_end(&mut Vec::new()).await.unwrap();
    let (mut open, _connection) = http2(server.address, &old).await;
    assert_eq!(ask(&mut open, "/who").await.status(), 200);

    let (chain, key) = new.issue();
    tls.renew(chain, key).unwrap();
    assert_eq!(ask(&mut open, "/who").await.status(), 200);
    assert!(connect(server.address, client).await.is_err());
    let (mut again, _connection) = http2(server.address, &new).await;
    assert_eq!(ask(&mut again, "/who").await.status(), 200);
}

#[tokio::test]
async fn a_certificate_without_its_key_is_refused_and_the_present_one_kept() {
    let authority = Authority::new();
    let ((chain, _), (_, key)) = (authority.issue(), authority.issue());
    let tls = authority.tls();
    assert!(tls.renew(chain.clone(), key.clone_key()).is_err());
    assert!(kit::server::Tls::new(chain, key).is_err());
    let server = start(who(), edge(), tls).await;
    let (mut sender, _connection) = http2(server.address, &authority).await;
    assert_eq!(ask(&mut sender, "/who").await.status(), 200);
}

#[tokio::test]
async fn at_a_soft_stop_every_door_closes_and_requests_over_http2_are_finished() {
    let (entered, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let waits = {
        let (entered, go) = (entered.clone(), go.clone());
        move || async move {
            entered.notify_one();
            go.notified().await;
            "finished"
        }
    };
    let authority = Authority::new();
    let router = Router::new().route("/wait", get(waits)).merge(who());
    let mut edge = edge();
    edge.limits.shutdown_grace = Duration::from_secs(10);
    let server = start(router, edge, authority.tls()).await;
    let (_idle, idle_ends) = http2(server.address, &authority).await;
    let half_open = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = http2(server.address, &authority).await;
    let second = sender.clone();
    let running = tokio::spawn(async move { text(ask(&mut sender, "/wait").await).await });
    entered.notified().await;
    server.shutdown.soft.cancel();
    idle_ends.await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
    assert!(TcpStream::connect(server.plain).await.is_err());
    go.notify_one();
    assert_eq!(running.await.unwrap(), "finished");
    // it is the server that ends the connection: the client could still ask
    connection.await.unwrap().unwrap();
    drop(second);
    server.done.await.unwrap().unwrap();
    drop(half_open);
}

#[tokio::test]
async fn a_client_that_never_begins_is_cut_off() {
    let mut edge = edge();
    edge.limits.header_time = Duration::from_millis(50);
    let authority = Authority::new();
    let server = start(who(), edge, authority.tls()).await;
    let ends = async {
        let mut silent = TcpStream::connect(server.address).await.unwrap();
        let _ = silent.read_to_end(&mut Vec::new()).await;
        for alpn in [&b"h2"[..], b"http/1.1"] {
            let mut silent = connect(server.address, authority.client(alpn))
                .await
                .unwrap();
            let _ = silent.read_to_end(&mut Vec::new()).await;
        }
        let mut half = connect(server.address, authority.client(b"h2"))
            .await
            .unwrap();
        half.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
        let _ = half.read_to_end(&mut Vec::new()).await;
    };
    let ended = tokio::time::timeout(Duration::from_secs(10), ends).await;
    ended.expect("the server ends the connections");
}
