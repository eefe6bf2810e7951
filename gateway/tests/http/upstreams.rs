//! A service elsewhere: how requests get there and what happens when they do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{any, get, post};
use chrono::Duration;
use futures_util::stream;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::harness::{School, Where, posts, request, serve};

/// A gateway before a router of the test's own.
async fn before(router: Router) -> School {
    School::before(
        &format!("http://{}", serve(router).await),
        posts(&Arc::default()),
    )
}

/// A gateway before something that speaks bytes: it hears a request's head and says what `answer` says.
async fn before_bytes(answer: fn(usize) -> &'static str) -> (School, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let nth = counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut heard = Vec::new();
                while !heard.windows(4).any(|end| end == b"\r\n\r\n") {
                    let mut more = [0; 1024];
                    match stream.read(&mut more).await {
                        Ok(0) | Err(_) => return,
                        Ok(n) => heard.extend_from_slice(&more[..n]),
                    }
                }
                stream.write_all(answer(nth).as_bytes()).await.unwrap();
            });
        }
    });
    (School::before(&base, posts(&Arc::default())), connections)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

async fn unreachable() -> School {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    School::before(&base, posts(&Arc::default()))
}

fn post_of(path: &str, body: Body) -> Request<Body> {
    let mut req = request(Method::POST, path, &[]);
    *req.body_mut() = body;
    req
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_503_with_a_time_to_come_back() {
    let school = unreachable().await;
    let answer = school.get("/api/posts/public").await;
    assert_eq!(answer.problem(), (503, "unavailable".to_owned()));
    assert!(answer.header("retry-after").is_some());
    assert!(
        !answer.text().contains("127.0.0.1"),
        "no address of the inside: {}",
        answer.text()
    );
}

#[tokio::test]
async fn a_service_that_does_not_begin_its_answer_in_time_is_503() {
    let school =
        before(Router::new().route("/api/posts/public", get(std::future::pending::<()>))).await;
    assert_eq!(
        school.get("/api/posts/public").await.problem(),
        (503, "unavailable".to_owned())
    );
}

#[tokio::test]
async fn a_get_that_broke_off_is_asked_once_more_and_nothing_else_is() {
    let (school, connections) = before_bytes(|nth| if nth == 0 { "" } else { OK }).await;
    assert_eq!(school.get("/api/posts/public").await.text(), "ok");
    assert_eq!(connections.load(Ordering::SeqCst), 2);

    let (school, connections) = before_bytes(|_| "").await;
    assert_eq!(
        school.get("/api/posts/public").await.problem(),
        (503, "unavailable".to_owned())
    );
    assert_eq!(
        connections.load(Ordering::SeqCst),
        2,
        "once more, not for ever"
    );
    assert_eq!(
        school
            .send(post_of("/api/posts/length", Body::from("x")))
            .await
            .status,
        503
    );
    assert_eq!(
        school
            .send(request(Method::PUT, "/api/posts/any", &[]))
            .await
            .status,
        503
    );
    assert_eq!(
        connections.load(Ordering::SeqCst),
        4,
        "neither of the writes was repeated"
    );
}

#[tokio::test]
async fn after_twenty_errors_the_service_is_left_alone_for_ten_seconds() {
    let asked = Arc::new(AtomicUsize::new(0));
    let status = Arc::new(parking_lot::Mutex::new(StatusCode::INTERNAL_SERVER_ERROR));
    let (count, says) = (asked.clone(), status.clone());
    let school = before(Router::new().route(
        "/api/posts/any",
        any(async move || {
            count.fetch_add(1, Ordering::SeqCst);
            *says.lock()
        }),
    ))
    .await;
    for _ in 0..20 {
        assert_eq!(school.get("/api/posts/any").await.status, 500);
    }
    let refused = school.get("/api/posts/any").await;
    assert_eq!(
        (refused.problem(), refused.header("retry-after")),
        ((503, "unavailable".to_owned()), Some("10"))
    );
    assert_eq!(asked.load(Ordering::SeqCst), 20);
    assert!(
        school
            .metrics
            .render()
            .contains(r#"gateway_circuit_open{service="posts"} 1"#)
    );

    school.clock.advance(Duration::seconds(10));
    *status.lock() = StatusCode::OK;
    assert_eq!(school.get("/api/posts/any").await.status, 200);
    assert_eq!(school.get("/api/posts/any").await.status, 200);
    assert_eq!(asked.load(Ordering::SeqCst), 22);
    assert!(
        school
            .metrics
            .render()
            .contains(r#"gateway_circuit_open{service="posts"} 0"#)
    );
}

#[tokio::test]
async fn a_service_that_says_what_it_lacks_is_not_cut_off() {
    let school = before(Router::new().route(
        "/api/posts/any",
        any(async || StatusCode::INSUFFICIENT_STORAGE),
    ))
    .await;
    for _ in 0..40 {
        assert_eq!(school.get("/api/posts/any").await.status, 507);
    }
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    // The service answers each piece as it comes; a gateway that waited for the whole of either would wait for ever.
    let reply = async |body: Body| Body::from_stream(body.into_data_stream());
    let school = before(Router::new().route("/api/posts/length", post(reply))).await;
    let (send, mut pieces) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let response = school
        .server
        .call(post_of(
            "/api/posts/length",
            Body::from_stream(stream::poll_fn(move |cx| pieces.poll_recv(cx))),
        ))
        .await;
    assert_eq!(response.status(), 200);
    let mut back = response.into_body();
    for piece in ["one", "two", "three"] {
        send.send(Ok(Bytes::from(piece))).await.unwrap();
        assert_eq!(
            back.frame().await.unwrap().unwrap().into_data().unwrap(),
            piece
        );
    }
    drop(send);
    assert!(back.frame().await.is_none());
}

#[tokio::test]
async fn an_announced_length_is_announced_to_the_service_too() {
    let framing = async |headers: HeaderMap, body: Bytes| {
        let of = |name: &str| {
            headers
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        format!(
            "{:?} {:?} {}",
            of("content-length"),
            of("transfer-encoding"),
            body.len()
        )
    };
    let school = before(Router::new().route("/api/posts/length", post(framing))).await;
    let mut announced = post_of("/api/posts/length", Body::from("hello"));
    announced.headers_mut().insert("content-length", 5.into());
    assert_eq!(school.send(announced).await.text(), "Some(\"5\") None 5");
    let pieces = ["he", "llo"].map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
    let streamed = post_of("/api/posts/length", Body::from_stream(stream::iter(pieces)));
    assert_eq!(
        school.send(streamed).await.text(),
        "None Some(\"chunked\") 5"
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_whether_announced_or_not_and_the_service_is_not_blamed() {
    let school = School::start(Where::Apart).await;
    let big = vec![b'x'; 1024 * 1024 + 1];
    for _ in 0..25 {
        let mut announced = post_of("/api/posts/length", Body::from(big.clone()));
        announced
            .headers_mut()
            .insert("content-length", (big.len() as u64).into());
        assert_eq!(
            school.send(announced).await.problem(),
            (413, "body_too_large".to_owned())
        );
    }
    for _ in 0..25 {
        let pieces: Vec<Result<Bytes, std::io::Error>> = big
            .chunks(64 * 1024)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let streamed = post_of("/api/posts/length", Body::from_stream(stream::iter(pieces)));
        assert_eq!(
            school.send(streamed).await.problem(),
            (413, "body_too_large".to_owned())
        );
    }
    let whole = school
        .send(post_of(
            "/api/posts/length",
            Body::from(vec![b'x'; 1024 * 1024]),
        ))
        .await;
    assert_eq!(whole.json(), 1024 * 1024);
}

#[tokio::test]
async fn hop_by_hop_headers_of_an_answer_end_at_the_gateway_and_others_pass() {
    let (school, _) = before_bytes(|_| {
        "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Authenticate: Basic\r\nETag: \"7\"\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Security-Policy: sandbox\r\n\r\nok"
    })
    .await;
    let answer = school.get("/api/posts/public").await;
    assert_eq!(
        (answer.status, answer.text()),
        (StatusCode::CREATED, "ok".to_owned())
    );
    for name in ["connection", "x-hop", "keep-alive", "proxy-authenticate"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.header("etag"), Some("\"7\""));
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
    assert_eq!(
        answer.header("content-security-policy"),
        Some("sandbox"),
        "a service may say it better"
    );
}

#[tokio::test]
async fn a_service_that_wants_to_switch_protocols_opens_no_tunnel() {
    let (school, _) = before_bytes(
        |_| "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    )
    .await;
    assert_eq!(
        school.get("/api/posts/public").await.problem(),
        (503, "unavailable".to_owned())
    );
}

#[tokio::test]
async fn a_redirect_is_the_services_answer_and_is_not_followed() {
    let (school, connections) = before_bytes(|_| "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    let answer = school.get("/api/posts/public").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::FOUND, Some("http://127.0.0.1:1/"))
    );
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_problem_of_a_service_arrives_as_it_was_said() {
    let school = before(Router::new().route(
        "/api/posts/public",
        get(async |_: HeaderMap| {
            kit::Problem::conflict("taken", "that one is taken")
                .field("title", "is taken")
                .retry_after(7)
        }),
    ))
    .await;
    let answer = school
        .send(request(
            Method::GET,
            "/api/posts/public",
            &[("x-request-id", "abc")],
        ))
        .await;
    assert_eq!(
        (answer.problem(), answer.header("retry-after")),
        ((409, "taken".to_owned()), Some("7"))
    );
    assert_eq!(
        (
            &answer.json()["fields"]["title"],
            &answer.json()["request_id"]
        ),
        (&"is taken".into(), &"abc".into())
    );
}
