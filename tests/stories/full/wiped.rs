//! What can be lost is lost, and comes back by itself.

use std::time::Instant;

use schoolyard::settings::SERVICES;

use super::plain::Plain;
use super::work::Work;

async fn ends_well(work: Work) {
    work.well_since(Instant::now()).await;
    work.lost_nothing(10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_emptied_is_filled_again_and_no_page_is_empty_meanwhile() {
    let work = Work::begin(1).await;
    for _ in 0..3 {
        work.stack.redis(&["flushall"]).await;
        let emptied = Instant::now();
        work.stack
            .until("the stream comes from the feed again", async || {
                let answer = work.person.get("/api/activity-stream").await.expect(200);
                let items = answer.json()["items"].as_array().unwrap().len();
                assert!(items > 0, "an empty page");
                answer.header("x-feed").is_none()
            })
            .await;
        work.well_since(emptied).await;
    }
    ends_well(work).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consul_that_lost_everything_knows_everything_again() {
    let work = Work::begin(1).await;
    work.stack.stop_server("consul").await;
    work.stack.forget("consul");
    work.stack.start_server("consul").await;
    for service in SERVICES {
        work.stack.until_routed(service, 1).await;
    }
    ends_well(work).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_group_that_begins_again_doubles_nothing() {
    let work = Work::begin(1).await;
    let operator = Plain::user(&work.stack, "feed");
    for _ in 0..2 {
        work.stack.stop_service("feed", 1).await;
        let topics = [
            "posts-events",
            "auth-events",
            "profile-events",
            "auth-signals",
        ];
        operator.reset("feed-generator", &topics);
        work.stack.bring_back().await;
        work.well_since(Instant::now()).await;
    }
    ends_well(work).await;
}
