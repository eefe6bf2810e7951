//! kill -9 of every service in turn.

use std::time::Instant;

use super::load::{Load, nothing_lost};
use super::stack::{FullStack, SERVICES};

const ROUNDS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_every_service_in_turn_under_load_loses_and_doubles_nothing() {
    let stack = FullStack::up(1).await;
    let office = stack.office().await;
    let person = stack.person(&office, "ines", &["teacher"]).await;
    person
        .post("/api/profile", serde_json::json!({}))
        .await
        .expect(200);
    let load = Load::begin(&person, "ines", FullStack::PASSWORD);
    for round in 0..ROUNDS {
        load.well_since(Instant::now(), &stack).await;
        stack.kill(SERVICES[round % SERVICES.len()], 1).await;
        stack.bring_back().await;
    }
    load.well_since(Instant::now(), &stack).await;
    let (_, published) = load.end().await;
    assert!(published.len() > 10 * ROUNDS, "{} posts", published.len());
    nothing_lost(&stack, &person, &published).await;
}
