//! The bounds of HTTP/2: what one connection may cost.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod common;
#[expect(dead_code, reason = "each test file uses a part of it")]
mod secure;

use std::time::Duration;

use axum::Router;
use axum::routing::{any, get};
use bytes::Bytes;
use common::edge;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Empty};
use kit::server::Edge;
use secure::{Authority, Running, connect, http2, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// RFC 9113 section 7: the peer behaves in a way that might be an attack.
const ENHANCE_YOUR_CALM: u32 = 11;
/// `GET https://x/never` in HPACK, without names of its own.
const REQUEST: &[u8] = b"\x82\x87\x04\x06/never\x01\x01x";

async fn serve(edge: Edge) -> (Running, Authority) {
    let authority = Authority::new();
    let cookies = |headers: HeaderMap| async move {
        let cookies = headers.get_all("cookie").iter();
        let cookies: Vec<_> = cookies.map(|value| value.to_str().unwrap()).collect();
        cookies.join(" | ")
    };
    let router = Router::new()
        .route("/never", get(std::future::pending::<()>))
        .route("/any", any(|| async { "any" }))
        .route("/cookies", get(cookies));
    (start(router, edge, authority.tls()).await, authority)
}

/// A client that says what it likes.
struct Raw(TlsStream<TcpStream>);

impl Raw {
    async fn begin(server: &Running, authority: &Authority) -> Self {
        let stream = connect(server.address, authority.client(b"h2"))
            .await
            .unwrap();
        let mut raw = Self(stream);
        let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        hello.extend(frame(SETTINGS, 0, 0, &[]));
        raw.say(&hello).await;
        raw
    }

    /// The server may have gone away already.
    async fn say(&mut self, bytes: &[u8]) {
        if self.0.write_all(bytes).await.is_ok() {
            let _ = self.0.flush().await;
        }
    }

    /// The next frame: its kind and what it holds; none at the end.
    async fn hear(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((head[3], payload))
    }

    /// Why the server goes away; none if it does so without a word.
    async fn end(&mut self) -> Option<u32> {
        let mut why = None;
        let end = async {
            while let Some((kind, payload)) = self.hear().await {
                if kind == GO_AWAY {
                    why = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
                }
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(10), end).await;
        ended.expect("the server ends the connection");
        why
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

#[tokio::test]
async fn the_server_says_how_many_requests_and_what_headers_it_takes() {
    let (server, authority) = serve(edge()).await;
    let mut raw = Raw::begin(&server, &authority).await;
    let (kind, settings) = raw.hear().await.unwrap();
    assert_eq!(kind, SETTINGS);
    let said = |id: u16| {
        let entry = settings
            .chunks(6)
            .find(|entry| entry[..2] == id.to_be_bytes());
        entry.map(|entry| u32::from_be_bytes(entry[2..].try_into().unwrap()))
    };
    assert_eq!((said(3), said(6)), (Some(256), Some(16 * 1024)));
}

#[tokio::test]
async fn headers_of_more_than_16_kib_are_refused_and_the_connection_goes_on() {
    let (server, authority) = serve(edge()).await;
    let (mut sender, _connection) = http2(server.address, &authority).await;
    for (size, status) in [(15 * 1024, 200), (17 * 1024, 431), (15 * 1024, 200)] {
        let request = secure::get("/any").header("x-large", "a".repeat(size));
        let request = request.body(Empty::new()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn a_flood_of_frames_that_continue_headers_ends_the_connection() {
    let (server, authority) = serve(edge()).await;
    let mut raw = Raw::begin(&server, &authority).await;
    raw.say(&frame(HEADERS, END_STREAM, 1, REQUEST)).await;
    for _ in 0..1_000 {
        raw.say(&frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b")).await;
    }
    assert_eq!(raw.end().await, Some(ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn headers_beyond_every_measure_end_the_connection() {
    let (server, authority) = serve(edge()).await;
    let mut raw = Raw::begin(&server, &authority).await;
    raw.say(&frame(HEADERS, END_STREAM, 1, REQUEST)).await;
    // one header of 4 kB, and then a byte for each further one: it is in the table of the connection
    let mut bomb = b"\x40\x01a\x7f\xa1\x1e".to_vec();
    bomb.extend([b'b'; 4_000]);
    bomb.extend([0xbe; 12_000]);
    for _ in 0..4 {
        raw.say(&frame(CONTINUATION, 0, 1, &bomb)).await;
    }
    assert!(raw.end().await.is_some_and(|why| why != 0));
}

#[tokio::test]
async fn requests_that_are_taken_back_at_once_again_and_again_end_the_connection() {
    let (server, authority) = serve(edge()).await;
    let mut raw = Raw::begin(&server, &authority).await;
    for round in 0..50 {
        let mut bytes = Vec::new();
        for n in 0..100 {
            let stream = 1 + 2 * (round * 100 + n);
            bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, REQUEST));
            bytes.extend(frame(RESET, 0, stream, &8_u32.to_be_bytes()));
        }
        raw.say(&bytes).await;
    }
    assert_eq!(raw.end().await, Some(ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn a_connection_that_gives_no_sign_of_life_is_ended() {
    let mut edge = edge();
    edge.limits.ping_interval = Duration::from_millis(20);
    edge.limits.ping_time = Duration::from_millis(20);
    let (server, authority) = serve(edge).await;
    Raw::begin(&server, &authority).await.end().await;
    // nor is one that stops in the middle of its headers
    let mut raw = Raw::begin(&server, &authority).await;
    raw.say(&frame(HEADERS, END_STREAM, 1, REQUEST)).await;
    raw.end().await;
}

#[tokio::test]
async fn cookies_in_headers_of_their_own_are_one_for_the_handler() {
    let (server, authority) = serve(edge()).await;
    let (mut sender, _connection) = http2(server.address, &authority).await;
    let request = secure::get("/cookies")
        .header("cookie", "a=1")
        .header("cookie", "b=2");
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "a=1; b=2");
}

#[tokio::test]
async fn connect_opens_no_tunnel() {
    let (server, authority) = serve(edge()).await;
    let (mut sender, _connection) = http2(server.address, &authority).await;
    let request = http::Request::builder().method(Method::CONNECT).uri("x:80");
    let answer = sender
        .send_request(request.body(Empty::new()).unwrap())
        .await
        .unwrap();
    assert!(answer.status().is_client_error(), "{}", answer.status());
}
