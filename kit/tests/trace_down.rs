//! Traces, and nobody who takes them.

#[expect(dead_code, reason = "each test file uses a part of it")]
mod common;

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use common::server;
use kit::testing;
use kit::trace::Config;
use kit::{RandomIds, SystemClock};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_collector_that_says_nothing_holds_up_no_request_and_not_the_end() {
    // it takes connections and never answers
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = Config {
        endpoint: format!("http://{}", silent.local_addr().unwrap()),
        headers: Vec::new(),
        percent: 100,
    };
    let clock = SystemClock::shared();
    let ids = RandomIds::shared(clock.clone());
    let off = Config {
        endpoint: String::new(),
        ..config.clone()
    };
    assert!(
        kit::trace::start(&off, "things", clock.clone(), ids.clone())
            .unwrap()
            .is_none()
    );
    let server = server(Router::new().route("/", get(async || "well")));
    assert!(!kit::trace::is_on());
    assert_eq!(testing::get("/").send(&server).await.status(), 200);

    let worker = kit::trace::start(&config, "things", clock.clone(), ids.clone()).unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(worker.unwrap().run(stop.clone()));
    assert!(
        kit::trace::start(&config, "things", clock, ids).is_err(),
        "once"
    );
    // more than wait for it
    for _ in 0..10_000 {
        assert_eq!(testing::get("/").send(&server).await.status(), 200);
    }
    let began = Instant::now();
    stop.cancel();
    running.await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
}
