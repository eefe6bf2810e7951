//! Traces, told to a collector.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod common;
#[path = "common/heard.rs"]
mod heard;
#[path = "common/otlp.rs"]
mod otlp;
#[path = "common/peers.rs"]
mod peers;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use common::{Open, edge, server};
use heard::Heard;
use http::{HeaderMap, Method, StatusCode};
use kit::peer::Peer;
use kit::routes::{Access, Rate, Routes};
use kit::server::{Carried, Server, hand_on, of_message};
use kit::testing::{self, get};
use kit::trace::{Config, Span};
use kit::{Json, NoContent, Path, Problem, RandomIds, SystemClock};
use peers::{Fixed, listen, serve};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, watch};
use tokio_util::sync::CancellationToken;

/// What the collector was told, with the secret that it was shown.
#[derive(Clone, Default)]
struct Told {
    secret: String,
    services: Vec<String>,
    spans: Vec<otlp::Span>,
}

type Collected = Arc<watch::Sender<Told>>;

/// The collector of this process: traces are begun once.
async fn collector() -> Collected {
    static COLLECTOR: OnceCell<Collected> = OnceCell::const_new();
    let start = async || {
        let collected = Collected::default();
        let told = collected.clone();
        // it outlives the test that comes first
        let (sender, address) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let config = Config {
                    endpoint: format!("http://{}/", listener.local_addr().unwrap()),
                    headers: vec!["x-secret=open sesame".into()],
                    percent: 100,
                };
                let clock = SystemClock::shared();
                let ids = RandomIds::shared(clock.clone());
                let worker = kit::trace::start(&config, "things", clock, ids).unwrap();
                tokio::spawn(worker.unwrap().run(CancellationToken::new()));
                let router = Router::new()
                    .route("/v1/traces", post(take))
                    .with_state(told);
                sender.send(()).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        tokio::task::spawn_blocking(move || address.recv().unwrap())
            .await
            .unwrap();
        collected
    };
    COLLECTOR.get_or_init(start).await.clone()
}

async fn take(State(told): State<Collected>, headers: HeaderMap, body: bytes::Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = otlp::Request::decode(body).unwrap();
    told.send_modify(|told| {
        told.secret = headers["x-secret"].to_str().unwrap().to_owned();
        for resource_spans in request.resource_spans {
            told.services
                .push(otlp::shown(&resource_spans.resource.unwrap().attributes));
            for scope_spans in resource_spans.scope_spans {
                told.spans.extend(scope_spans.spans);
            }
        }
    });
    StatusCode::OK
}

const CALLER: &str = "00f067aa0ba902b7";

/// A trace of this test's own, and how its caller names it.
fn trace(number: u8, told: bool) -> (Vec<u8>, String) {
    let mut id = vec![7; 16];
    id[15] = number;
    let flags = if told { "01" } else { "00" };
    let traceparent = format!("00-{}-{CALLER}-{flags}", hex::encode(&id));
    (id, traceparent)
}

/// The spans of a trace, when there are as many.
async fn spans(collected: &Collected, trace: &[u8], count: usize) -> Vec<otlp::Span> {
    let of = |told: &Told| -> Vec<otlp::Span> {
        let spans = told.spans.iter().filter(|span| span.trace_id == trace);
        spans.cloned().collect()
    };
    let mut watching = collected.subscribe();
    let all = watching.wait_for(|told| of(told).len() >= count);
    let all = tokio::time::timeout(Duration::from_secs(20), all).await;
    let mut all = of(&all.expect("the collector is told").unwrap());
    all.sort_by_key(|span| span.start);
    assert_eq!(all.len(), count, "{all:?}");
    all
}

async fn read(
    _: Open,
    State(peer): State<Option<Peer>>,
    Path(id): Path<String>,
) -> Result<NoContent, Problem> {
    if id == "broken" {
        return Err(Problem::internal(anyhow::anyhow!("a secret of Ines Roy")));
    }
    if let Some(peer) = peer {
        peer.get::<()>(&format!("/api/things/{id}")).await?;
    }
    Ok(NoContent)
}

fn things(peer: Option<Peer>) -> Server {
    let set = Routes::new("things")
        .route(
            Method::GET,
            "/things/{id}",
            Access::Public,
            Rate::General,
            read,
        )
        .route(
            Method::GET,
            "/quiet",
            Access::Public,
            Rate::General,
            async |_: Open| NoContent,
        )
        .quiet()
        .build(peer)
        .unwrap();
    server(set.router)
}

fn inner() -> Router {
    Routes::new("other")
        .route(
            Method::GET,
            "/things/{id}",
            Access::Public,
            Rate::General,
            async |_: Open| NoContent,
        )
        .build(())
        .unwrap()
        .router
}

#[tokio::test]
async fn a_request_its_call_of_another_service_and_what_that_does_are_one_trace() {
    let collected = collector().await;
    let peer = Peer::new(
        "other",
        &listen(Server::new("other", inner(), edge())).await,
        Arc::new(Fixed),
    )
    .unwrap();
    let (id, traceparent) = trace(1, true);
    let answer = get("/api/things/ines-roy?who=ines")
        .header("traceparent", &traceparent)
        .header("user-agent", "ines")
        .send(&things(Some(peer)))
        .await;
    assert_eq!(answer.status(), 204);
    let [outer, call, inner] = &*spans(&collected, &id, 3).await else {
        panic!()
    };
    assert_eq!(hex::encode(&outer.parent_span_id), CALLER);
    assert_eq!(call.parent_span_id, outer.span_id);
    assert_eq!(inner.parent_span_id, call.span_id);
    assert_eq!([outer.kind, call.kind, inner.kind], [2, 3, 2]);
    assert_eq!(outer.name, "GET /api/things/{id}");
    assert_eq!(
        otlp::shown(&outer.attributes),
        "http.request.method=GET http.route=/api/things/{id} http.response.status_code=204 service=things"
    );
    assert_eq!(
        otlp::shown(&call.attributes),
        "http.request.method=GET peer.service=other http.response.status_code=204"
    );
    assert!(outer.start <= call.start && call.end <= outer.end);
    let told = collected.borrow().clone();
    assert_eq!(told.secret, "open sesame");
    assert!(told.services[0].starts_with("service.name=things service.version="));
    assert!(!format!("{:?}", told.spans).contains("ines"), "of nobody");
}

#[tokio::test]
async fn a_failure_is_told_with_its_code_and_nothing_of_its_cause() {
    let collected = collector().await;
    let (id, traceparent) = trace(2, true);
    let answer = get("/api/things/broken")
        .header("traceparent", &traceparent)
        .send(&things(None))
        .await;
    assert_eq!(answer.status(), 500);
    let span = &spans(&collected, &id, 1).await[0];
    assert_eq!(span.status.as_ref().unwrap().code, 2);
    assert!(
        otlp::shown(&span.attributes)
            .ends_with("status_code=500 service=things error.type=internal")
    );
    assert!(!format!("{span:?}").contains("Ines"));
}

#[tokio::test]
async fn who_says_that_a_trace_is_not_told_is_believed_and_it_goes_on_all_the_same() {
    let collected = collector().await;
    let (silent, traceparent) = trace(3, false);
    let seen = Router::new().route(
        "/api/things/1",
        axum::routing::get(|headers: HeaderMap| async move {
            let traceparent = headers["traceparent"].to_str().unwrap();
            assert!(
                traceparent.starts_with("00-0707") && traceparent.ends_with("-00"),
                "{traceparent}"
            );
            Json(())
        }),
    );
    let peer = Peer::new("other", &serve(seen).await, Arc::new(Fixed)).unwrap();
    let answer = get("/api/things/1")
        .header("traceparent", &traceparent)
        .send(&things(Some(peer)))
        .await;
    assert_eq!(answer.status(), 204);
    let (after, traceparent) = trace(4, true);
    get("/api/things/1")
        .header("traceparent", &traceparent)
        .send(&things(None))
        .await;
    spans(&collected, &after, 1).await;
    spans(&collected, &silent, 0).await;
}

#[tokio::test]
async fn who_asks_all_day_begins_no_trace_and_takes_part_in_one() {
    let collected = collector().await;
    let server = things(None);
    get("/api/quiet").send(&server).await;
    let (id, traceparent) = trace(5, true);
    get("/api/quiet")
        .header("traceparent", &traceparent)
        .send(&server)
        .await;
    spans(&collected, &id, 1).await;
    let quiet = collected
        .borrow()
        .spans
        .iter()
        .filter(|span| span.name == "GET /api/quiet")
        .count();
    assert_eq!(quiet, 1);
}

#[tokio::test]
async fn what_a_request_leaves_to_a_task_or_a_message_goes_on_with_its_trace() {
    let collected = collector().await;
    let (id, traceparent) = trace(6, true);
    let handler = async || {
        let request = Carried::here();
        let headers = tokio::spawn(request.within(async {
            let mut headers = HeaderMap::new();
            hand_on(&mut headers, None);
            headers
        }));
        let headers = headers.await.unwrap();
        let text = |name| headers[name].to_str().unwrap().to_owned();
        Json([text("x-request-id"), text("traceparent")])
    };
    let outer = server(Router::new().route("/leave", axum::routing::get(handler)));
    let answer = get("/leave")
        .header("traceparent", &traceparent)
        .header("x-request-id", "r-1")
        .send(&outer)
        .await;
    let (_, body) = testing::json(answer).await;
    assert_eq!(body[0], "r-1");
    let span = Span::consumer(body[1].as_str()).unwrap();
    let seen = of_message(body[0].as_str(), Some(span), async {
        let mut headers = HeaderMap::new();
        hand_on(&mut headers, None);
        headers
    });
    let seen = seen.await;
    assert_eq!(
        (&seen["x-request-id"], &seen["traceparent"]),
        (&http::HeaderValue::from_static("r-1"), &span.at().header())
    );
    span.end(false, || ("apply things".to_owned(), Vec::new()));
    let [request, message] = &*spans(&collected, &id, 2).await else {
        panic!()
    };
    assert_eq!(
        (&message.parent_span_id, message.kind),
        (&request.span_id, 5)
    );
    assert!(Span::consumer(None).is_none() && Span::consumer(Some("x")).is_none());
    assert!(Span::client().is_none(), "of no request");
}

#[tokio::test]
async fn every_line_of_the_log_in_a_request_names_its_trace() {
    collector().await;
    let (id, traceparent) = trace(7, true);
    let heard = Heard::begin();
    let inside = Router::new().route("/", axum::routing::get(async || tracing::info!("inside")));
    get("/")
        .header("traceparent", &traceparent)
        .send(&server(inside))
        .await;
    tracing::info!("outside");
    let lines = heard.lines();
    let of = |message: &str| {
        let line = lines.iter().find(|line| line["message"] == message);
        line.unwrap()["trace_id"].clone()
    };
    assert_eq!(of("inside"), hex::encode(&id));
    assert_eq!(of("request"), hex::encode(&id));
    assert_eq!(of("outside"), serde_json::Value::Null);
}
