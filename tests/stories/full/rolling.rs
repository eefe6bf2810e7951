//! Instances come and go, and nobody who asks notices.

use std::time::{Duration, Instant};

use schoolyard::settings::SERVICES;

use super::load::{Event, Kind, nothing_lost};
use super::work::Work;

/// By when an instance that was killed is out of the routing.
const OUT: Duration = Duration::from_secs(15);

fn failed(events: Vec<Event>) -> Vec<Event> {
    events
        .into_iter()
        .filter(|event| event.status != 200)
        .collect()
}

/// Ends the load: every request was answered well, and nothing is lost or there twice.
async fn failed_nothing(work: Work) {
    let (events, published) = work.load.end().await;
    let all = events.len();
    let failed = failed(events);
    assert!(failed.is_empty(), "{} of {all}: {failed:?}", failed.len());
    nothing_lost(&work.stack, &work.person, &published).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_everything_under_load_fails_no_request() {
    let work = Work::begin(2).await;
    for service in SERVICES {
        for number in 1..=2 {
            work.stack.stop_service(service, number).await;
            work.stack.bring_back().await;
            // As whoever restarts one after the other waits: the other one goes only when this one is routed to.
            work.stack.until_routed(service, 2).await;
        }
    }
    work.well_since(Instant::now()).await;
    failed_nothing(work).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_instance_leaves_the_routing_and_no_request_that_can_be_repeated_fails() {
    let work = Work::begin(2).await;
    for service in SERVICES {
        work.stack.kill(service, 1).await;
        let killed = Instant::now();
        work.stack.until_routed(service, 1).await;
        let took = killed.elapsed();
        assert!(took <= OUT, "{service} left the routing after {took:?}");
        work.stack.bring_back().await;
        work.stack.until_routed(service, 2).await;
        work.well_since(Instant::now()).await;
    }
    let (events, published) = work.load.end().await;
    let failed: Vec<Event> = failed(events)
        .into_iter()
        // What is not idempotent is repeated by who sent it: with its key, or by signing in again.
        .filter(|event| !matches!(event.kind, Kind::Publish | Kind::Login))
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    nothing_lost(&work.stack, &work.person, &published).await;
}

/// One that begins takes everybody for dead until it has asked them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_consul_under_load_fails_no_request() {
    let work = Work::begin(1).await;
    for _ in 0..4 {
        work.stack.until_consul_has_asked_all().await;
        work.stack.stop_server("consul").await;
        work.stack.start_server("consul").await;
    }
    work.stack.until_consul_has_asked_all().await;
    work.well_since(Instant::now()).await;
    failed_nothing(work).await;
}
