//! The end of a server that is known in Consul: first it is gone there, then its doors close.

use std::time::Duration;

use async_trait::async_trait;
use kit::consul::memory::MemoryConsul;
use kit::consul::{Catalog, ConsulError, Index, Instances, Registration};

use crate::support::{eventually, host, member, soon, things};

fn known(registered: &[Registration]) -> bool {
    registered.len() == 1
}

/// Longer than any test takes.
const VERY_LONG: Duration = Duration::from_secs(3_600);

async fn status(url: String) -> Option<u16> {
    let client = kit::peer::client().unwrap();
    let answer = client.get(url).send().await.ok()?;
    Some(answer.status().as_u16())
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_leaves_consul_and_goes_on_serving_who_has_not_noticed() {
    let consul = MemoryConsul::new();
    let running = host(things(vec![]), &member(&consul), VERY_LONG).await;
    soon(consul.until(known)).await;
    assert_eq!(status(running.url("/health/ready")).await, Some(200));
    running.shutdown.soft.cancel();
    soon(consul.until(<[Registration]>::is_empty)).await;
    assert_eq!(status(running.url("/health/ready")).await, Some(503));
    assert_eq!(status(running.url("/api/things")).await, Some(200));
    running.shutdown.hard.cancel();
    let closed = running.url("/api/things");
    let _ = running.done.await.unwrap();
    assert_eq!(status(closed).await, None);
}

#[tokio::test]
async fn after_the_delay_it_ends_well() {
    let consul = MemoryConsul::new();
    let running = host(things(vec![]), &member(&consul), Duration::from_millis(10)).await;
    soon(consul.until(known)).await;
    running.shutdown.soft.cancel();
    running.done.await.unwrap().unwrap();
    assert_eq!(consul.registrations(), []);
}

/// Takes registrations and answers nothing else any more.
#[derive(Debug, Clone)]
struct Silent(MemoryConsul);

#[async_trait]
impl Catalog for Silent {
    async fn register(&self, registration: &Registration) -> Result<(), ConsulError> {
        self.0.register(registration).await
    }
    async fn deregister(&self, _: &str) -> Result<(), ConsulError> {
        std::future::pending().await
    }
    async fn registered(&self, id: &str) -> Result<bool, ConsulError> {
        self.0.registered(id).await
    }
    async fn stays(&self, id: &str, wait: Duration) -> Result<bool, ConsulError> {
        self.0.stays(id, wait).await
    }
    async fn passing(&self, service: &str, after: Option<Index>) -> Result<Instances, ConsulError> {
        self.0.passing(service, after).await
    }
}

#[tokio::test]
async fn a_consul_that_does_not_answer_holds_the_stop_up_for_some_seconds_only() {
    let consul = MemoryConsul::new();
    let running = host(
        things(vec![]),
        &member(&Silent(consul.clone())),
        Duration::ZERO,
    )
    .await;
    soon(consul.until(known)).await;
    running.shutdown.soft.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(20), running.done).await;
    ended.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_hard_stop_does_not_wait_for_consul() {
    let consul = MemoryConsul::new();
    let running = host(things(vec![]), &member(&Silent(consul.clone())), VERY_LONG).await;
    soon(consul.until(known)).await;
    running.shutdown.soft.cancel();
    running.shutdown.hard.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(2), running.done).await;
    assert!(ended.is_ok(), "it waited");
}

#[tokio::test]
async fn a_server_whose_worker_failed_leaves_consul_too() {
    let consul = MemoryConsul::new();
    let mut service = things(vec![]);
    let seen = consul.clone();
    service
        .workers
        .push(kit::service::Worker::new("short", move |_| async move {
            soon(seen.until(known)).await;
            anyhow::bail!("it cannot go on")
        }));
    let running = host(service, &member(&consul), VERY_LONG).await;
    let error = running.done.await.unwrap().unwrap_err();
    assert!(
        format!("{error:#}").contains("it cannot go on"),
        "{error:#}"
    );
    eventually("it is gone", || async { consul.registrations().is_empty() }).await;
}
