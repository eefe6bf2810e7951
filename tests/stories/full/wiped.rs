//! What can be lost is lost, and comes back by itself.

use std::time::Instant;

use serde_json::json;

use super::load::{Load, nothing_lost};
use super::plain::Plain;
use super::stack::FullStack;
use crate::support::Person;

async fn at_work() -> (FullStack, Person, Load) {
    let stack = FullStack::up(1).await;
    let office = stack.office().await;
    let person = stack.person(&office, "ines", &["teacher"]).await;
    person.post("/api/profile", json!({})).await.expect(200);
    let load = Load::begin(&person, "ines", FullStack::PASSWORD);
    load.well_since(Instant::now(), &stack).await;
    (stack, person, load)
}

async fn ends_well(stack: FullStack, person: Person, load: Load) {
    load.well_since(Instant::now(), &stack).await;
    let (_, published) = load.end().await;
    assert!(published.len() > 10);
    nothing_lost(&stack, &person, &published).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_emptied_is_filled_again_and_no_page_is_empty_meanwhile() {
    let (stack, person, load) = at_work().await;
    for _ in 0..3 {
        stack.redis(&["flushall"]).await;
        let emptied = Instant::now();
        stack
            .until("the stream comes from the feed again", async || {
                let answer = person.get("/api/activity-stream").await.expect(200);
                let items = answer.json()["items"].as_array().unwrap().len();
                assert!(items > 0, "an empty page");
                answer.header("x-feed").is_none()
            })
            .await;
        load.well_since(emptied, &stack).await;
    }
    ends_well(stack, person, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consul_that_lost_everything_knows_everything_again() {
    let (stack, person, load) = at_work().await;
    stack.stop_server("consul").await;
    stack.forget("consul");
    stack.start_server("consul").await;
    for service in super::stack::SERVICES {
        stack.until_routed(service, 1).await;
    }
    ends_well(stack, person, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_group_that_begins_again_doubles_nothing() {
    let (stack, person, load) = at_work().await;
    let operator = Plain::user(&stack, "feed");
    for _ in 0..2 {
        stack.stop_service("feed", 1).await;
        let topics = [
            "posts-events",
            "auth-events",
            "profile-events",
            "auth-signals",
        ];
        operator.reset("feed-generator", &topics);
        stack.bring_back().await;
        load.well_since(Instant::now(), &stack).await;
    }
    ends_well(stack, person, load).await;
}
