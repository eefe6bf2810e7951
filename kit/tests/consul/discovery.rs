//! Calling the instances that Consul knows.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::routing::get;
use kit::Problem;
use kit::consul::memory::MemoryConsul;
use kit::consul::{Catalog, ConsulError};
use kit::peer::{Peer, ServiceTokens};
use kit::server::Server;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::common::edge;
use crate::suite::registration;
use crate::support::{Working, eventually, host, member, soon, things, work};

pub struct Fixed;

#[async_trait]
impl ServiceTokens for Fixed {
    async fn bearer(&self) -> Result<String, Problem> {
        Ok("service-token".to_owned())
    }
}

/// An instance that answers its own id.
async fn instance(consul: &impl Catalog, id: &'static str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = Router::new().route("/who", get(move || async move { kit::Json(id) }));
    tokio::spawn(Server::new("things", router, edge()).run(
        listener,
        vec![],
        CancellationToken::new(),
    ));
    consul
        .register(&registration("things", id, port))
        .await
        .unwrap();
}

struct Caller {
    consul: MemoryConsul,
    member: kit::consul::Membership,
    pool: kit::peer::Pool,
    peer: Peer,
    working: Working,
}

fn caller() -> Caller {
    let consul = MemoryConsul::new();
    let member = member(&consul);
    let pool = member.discover("things");
    let peer = Peer::of(pool.clone(), Arc::new(Fixed)).unwrap();
    let working = work(member.workers());
    Caller {
        consul,
        member,
        pool,
        peer,
        working,
    }
}

impl Caller {
    async fn who(&self) -> Result<String, Problem> {
        self.peer.get("/who").await
    }
}

#[tokio::test]
async fn instances_that_pass_are_called_in_turn_and_those_that_fail_are_not() {
    let caller = caller();
    instance(&caller.consul, "a").await;
    instance(&caller.consul, "b").await;
    soon(caller.pool.until(|known| known == 2)).await;
    let mut first = [caller.who().await.unwrap(), caller.who().await.unwrap()];
    first.sort();
    assert_eq!(first, ["a", "b"]);
    caller.consul.set_passing("a", false);
    soon(caller.pool.until(|known| known == 1)).await;
    for _ in 0..4 {
        assert_eq!(caller.who().await.unwrap(), "b");
    }
    caller.consul.set_passing("a", true);
    soon(caller.pool.until(|known| known == 2)).await;
    caller.working.stop().await;
}

#[tokio::test]
async fn when_no_instance_is_known_the_answer_is_503_with_the_peers_name() {
    let caller = caller();
    instance(&caller.consul, "a").await;
    soon(caller.pool.until(|known| known == 1)).await;
    caller.consul.deregister("a").await.unwrap();
    soon(caller.pool.until(|known| known == 0)).await;
    let problem = caller.who().await.unwrap_err();
    assert_eq!(
        (problem.status().as_u16(), problem.code()),
        (503, "things_unavailable")
    );
    assert!(problem.retry_after_secs().is_some());
    let problem = caller.peer.get_lines("/lines").await.err().unwrap();
    assert_eq!(problem.code(), "things_unavailable");
    caller.working.stop().await;
}

#[tokio::test]
async fn without_consul_the_instances_it_knew_last_are_called() {
    let caller = caller();
    instance(&caller.consul, "a").await;
    soon(caller.pool.until(|known| known == 1)).await;
    caller.consul.fail(Some(ConsulError::Unreachable(
        "connection refused".to_owned(),
    )));
    eventually("it was noticed", || async {
        caller.member.check().ask().await.is_err()
    })
    .await;
    assert_eq!(caller.who().await.unwrap(), "a");
    caller.consul.fail(None);
    instance(&caller.consul, "b").await;
    soon(caller.pool.until(|known| known == 2)).await;
    assert!(caller.member.check().ask().await.is_ok());
    caller.working.stop().await;
}

#[tokio::test]
async fn a_consul_that_came_back_without_its_data_interrupts_nobody() {
    let caller = caller();
    instance(&caller.consul, "a").await;
    instance(&caller.consul, "b").await;
    soon(caller.pool.until(|known| known == 2)).await;
    caller.consul.wipe();
    // the worker has seen the loss when it has seen what came after
    instance(&caller.consul, "c").await;
    soon(caller.pool.until(|known| known == 3)).await;
    for _ in 0..6 {
        caller.who().await.unwrap();
    }
    caller.working.stop().await;
}

#[tokio::test]
async fn a_service_that_is_asked_for_twice_is_followed_once() {
    let member = member(&MemoryConsul::new());
    let (first, second) = (member.discover("things"), member.discover("things"));
    first.replace([("a".to_owned(), "http://a.test".parse().unwrap())]);
    assert_eq!(second.len(), 1);
    assert_eq!(member.workers().len(), 1);
    assert!(member.workers().is_empty());
}

/// 64 callers go on while instances come and go: not one call fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_fails_no_call() {
    let caller = Arc::new(caller());
    let own = member(&caller.consul);
    let mut running = Vec::new();
    for _ in 0..2 {
        running.push(host(things(vec![]), &own, Duration::from_millis(300)).await);
    }
    soon(caller.pool.until(|known| known == 2)).await;
    let stop = CancellationToken::new();
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let (caller, stop) = (caller.clone(), stop.clone());
            tokio::spawn(async move {
                let mut count = 0;
                while !stop.is_cancelled() {
                    caller.peer.get::<String>("/api/things").await.unwrap();
                    caller
                        .peer
                        .call::<String>(http::Method::GET, "/api/things", None::<&()>)
                        .await
                        .unwrap();
                    count += 1;
                }
                count
            })
        })
        .collect();
    for _ in 0..3 {
        let old = running.remove(0);
        old.shutdown.soft.cancel();
        old.done.await.unwrap().unwrap();
        running.push(host(things(vec![]), &own, Duration::from_millis(300)).await);
        soon(caller.pool.until(|known| known == 2)).await;
    }
    stop.cancel();
    for call in calls {
        assert!(call.await.unwrap() > 0);
    }
}
