//! Health and the status of the services.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::Duration;
use gateway::Published;
use kit::clock::MockClock;
use kit::routes::Routes;
use kit::service::{Check, CheckError, Health};
use serde_json::json;

use crate::harness::{BOTH, School, Where, config, posts};

/// Two services of this process; the store of the second fails while the switch is on.
fn two_services() -> (School, Arc<AtomicBool>) {
    let (clock, fails, calls) = (
        MockClock::default(),
        Arc::new(AtomicBool::new(false)),
        Arc::default(),
    );
    let switch = fails.clone();
    let store = Check::essential("store", move || {
        let fails = switch.load(Ordering::SeqCst);
        async move {
            if fails {
                Err(CheckError::new("store_unavailable", "gone"))
            } else {
                Ok(())
            }
        }
    });
    let feed = Routes::new("feed").build(()).unwrap();
    let services = vec![
        Published::local(posts(&calls), Health::new("posts", vec![], clock.shared())),
        Published::local(feed, Health::new("feed", vec![store], clock.shared())),
    ];
    (School::of(services, config(), calls, clock), fails)
}

#[tokio::test]
async fn anyone_sees_names_and_states_and_an_admin_sees_why() {
    let (school, fails) = two_services();
    let healthy = json!({ "status": "healthy", "services": [{ "name": "posts", "status": "healthy" }, { "name": "feed", "status": "healthy" }] });
    for path in ["/api/v1/services/status", "/api/services/status/"] {
        assert_eq!(school.get(path).await.json(), healthy);
        assert_eq!(
            school.get_as(42, path).await.json(),
            healthy,
            "a pupil is anyone here"
        );
    }
    fails.store(true, Ordering::SeqCst);
    school.clock.advance(Duration::seconds(2));
    let public = school.get("/api/v1/services/status").await.json();
    assert_eq!(
        public,
        json!({ "status": "degraded", "services": [{ "name": "posts", "status": "healthy" }, { "name": "feed", "status": "down" }] })
    );
    let full = school.get_as(1, "/api/v1/services/status").await.json();
    let feed = &full["services"][1];
    assert_eq!(feed["checks"]["store"]["ok"], false);
    assert_eq!(feed["checks"]["store"]["error_code"], "store_unavailable");
    assert_eq!(feed["last_ok"], "2026-03-02T08:00:00Z");
    assert_eq!(feed["instances"], 1);
    assert_eq!(feed["version"], kit::VERSION);
    assert!(feed["latency_ms"].is_u64());
    assert_eq!(full["services"][0]["last_ok"], "2026-03-02T08:00:02Z");
}

#[tokio::test]
async fn the_gateway_is_alive_always_and_ready_only_with_the_services_of_its_process() {
    let (school, fails) = two_services();
    assert_eq!(school.get("/health/ready").await.json()["status"], "ready");
    fails.store(true, Ordering::SeqCst);
    school.clock.advance(Duration::seconds(2));
    let ready = school.get("/health/ready").await;
    assert_eq!(
        (
            ready.status.as_u16(),
            &ready.json()["checks"]["feed"]["error_code"]
        ),
        (503, &json!("service_down"))
    );
    let live = school.get("/health").await;
    assert_eq!(live.status, 200);
    assert_eq!(
        live.json(),
        json!({ "status": "healthy", "service": "gateway", "version": kit::VERSION, "timestamp": "2026-03-02T08:00:02Z" })
    );
}

#[tokio::test]
async fn a_service_answers_for_its_health_through_the_gateway_wherever_it_runs() {
    for place in BOTH {
        let school = School::start(place).await;
        for path in [
            "/api/posts/health",
            "/api/v1/posts/health",
            "/api/v1/posts/health/",
        ] {
            let answer = school.get(path).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.json()["service"]),
                (200, &json!("posts")),
                "{place:?}"
            );
        }
        assert_eq!(school.asked(), 0);
        let status = school.get_as(1, "/api/services/status").await.json();
        assert_eq!(status["status"], "healthy", "{place:?} {status}");
        assert_eq!(
            (
                &status["services"][0]["instances"],
                &status["services"][0]["version"]
            ),
            (&json!(1), &json!(kit::VERSION))
        );
    }
}

#[tokio::test]
async fn a_service_elsewhere_that_is_gone_is_down_and_the_gateway_degraded() {
    let school = School::before("http://127.0.0.1:1", posts(&Arc::default()));
    let status = school.get_as(1, "/api/services/status").await.json();
    assert_eq!(
        (&status["status"], &status["services"][0]["instances"]),
        (&json!("down"), &json!(0))
    );
    let ready = school.get("/health/ready").await;
    assert_eq!(
        (ready.status.as_u16(), &ready.json()["status"]),
        (200, &json!("degraded"))
    );
    assert_eq!(
        school.get("/api/posts/health").await.problem(),
        (503, "unavailable".to_owned())
    );
}

#[tokio::test]
async fn the_worker_ends_when_it_is_told_to() {
    let mut school = School::start(Where::Together).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(school.workers.remove(0).run(stop.clone()));
    stop.cancel();
    running.await.unwrap().unwrap();
}
