//! What `/health/ready` says of Consul.

use kit::consul::memory::MemoryConsul;
use kit::consul::{Catalog, ConsulError};
use kit::server::{Server, service_router};
use kit::testing::{get, json};
use serde_json::{Value, json};
use std::sync::Arc;

use kit::MockClock;
use kit::consul::Membership;

use crate::agent::Agent;
use crate::common::edge;
use crate::support::{eventually, member, own, things, work};

/// What `/health/ready` answers once Consul has failed so.
async fn ready(catalog: Arc<dyn Catalog>) -> (u16, Value) {
    let member = Membership::new(catalog, MockClock::default().shared());
    let mut service = things(vec![]);
    member.join(&mut service, own(5000));
    let edge = edge();
    let (router, workers) = service_router(service, &edge);
    let working = work(workers);
    eventually("it was noticed", || async {
        member.check().ask().await.is_err()
    })
    .await;
    let server = Server::new("things", router, edge);
    let (status, mut body) = json(get("/health/ready").send(&server).await).await;
    body["checks"]["consul"]["latency_ms"] = json!(0);
    working.stop().await;
    (status, body)
}

#[tokio::test]
async fn a_consul_that_is_away_degrades_and_the_setting_to_look_at_is_named() {
    let consul = MemoryConsul::new();
    consul.fail(Some(ConsulError::Unreachable(
        "connection refused".to_owned(),
    )));
    let (status, body) = ready(Arc::new(consul)).await;
    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({"status": "degraded", "checks": {"consul": {
            "ok": false, "latency_ms": 0, "error_code": "consul_unavailable", "setting": "consul.address"}}})
    );
}

#[tokio::test]
async fn a_foreign_token_degrades_and_the_setting_to_look_at_is_named() {
    let agent = Agent::answering(
        403,
        &[],
        "Permission denied: lacks permission 'service:write'",
    )
    .await;
    let (status, body) = ready(Arc::new(agent.client("foreign"))).await;
    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({"status": "degraded", "checks": {"consul": {
            "ok": false, "latency_ms": 0, "error_code": "consul_token_refused", "setting": "consul.token"}}})
    );
}

#[tokio::test]
async fn the_log_is_told_the_right_that_is_missing() {
    let agent = Agent::answering(
        403,
        &[],
        "Permission denied: lacks permission 'service:read'",
    )
    .await;
    let member = member(&agent.client("foreign"));
    member.discover("others");
    let working = work(member.workers());
    eventually("it was noticed", || async {
        member.check().ask().await.is_err()
    })
    .await;
    let error = member.check().ask().await.unwrap_err();
    assert!(
        error
            .detail
            .starts_with("discovery of others: consul.token: ")
            && error.detail.contains("'service:read'"),
        "{error}"
    );
    working.stop().await;
}

#[tokio::test]
async fn what_somebody_can_set_right_is_said_before_what_nobody_can() {
    let consul = MemoryConsul::new();
    let member = member(&consul);
    let mut service = things(vec![]);
    member.join(&mut service, own(5000));
    member.discover("others");
    let mut workers = member.workers();
    workers.extend(service.workers);
    consul.fail(Some(ConsulError::Other {
        status: 500,
        text: "No cluster leader".to_owned(),
    }));
    let working = work(workers);
    let code = || async { member.check().ask().await.err().map(|error| error.code) };
    eventually("it was noticed", || async {
        code().await.as_deref() == Some("consul_failed")
    })
    .await;
    consul.fail(Some(ConsulError::Refused("ACL not found".to_owned())));
    eventually("the token is named", || async {
        code().await.as_deref() == Some("consul_token_refused")
    })
    .await;
    working.stop().await;
}
