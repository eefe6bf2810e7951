//! kill -9 of every service in turn.

use std::time::Instant;

use schoolyard::settings::SERVICES;

use super::work::Work;

const ROUNDS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_every_service_in_turn_under_load_loses_and_doubles_nothing() {
    let work = Work::begin(1).await;
    for round in 0..ROUNDS {
        work.stack.kill(SERVICES[round % SERVICES.len()], 1).await;
        work.stack.bring_back().await;
        work.well_since(Instant::now()).await;
    }
    work.lost_nothing(10 * ROUNDS).await;
}
