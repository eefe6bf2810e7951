//! A service without meaning, and what a test does with it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use kit::MockClock;
use kit::consul::{Address, Catalog, Membership, Own};
use kit::routes::{Access, Rate, Routes};
use kit::server::{Server, service_router};
use kit::service::{Check, Service, Worker};
use kit::shutdown::Shutdown;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::common::{Open, edge};

async fn name(_: Open) -> kit::Json<&'static str> {
    kit::Json("things")
}

pub fn things(checks: Vec<Check>) -> Service {
    named("things", checks)
}

pub fn named(service: &'static str, checks: Vec<Check>) -> Service {
    let routes = Routes::new(service)
        .route(Method::GET, "/things", Access::Public, Rate::General, name)
        .build(())
        .unwrap();
    Service {
        name: service,
        routes,
        workers: vec![],
        checks,
    }
}

pub fn own(port: u16) -> Own {
    Own {
        address: Address::Known("127.0.0.1".to_owned()),
        port,
        instance: "one".to_owned(),
        tags: vec!["traefik.enable=true".to_owned()],
        meta: BTreeMap::new(),
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        deregister_after: Duration::from_secs(60),
    }
}

/// A member that looks often.
pub fn member(consul: &(impl Catalog + Clone + 'static)) -> Membership {
    Membership::new(Arc::new(consul.clone()), MockClock::default().shared())
        .looking_every(Duration::from_millis(5))
}

/// Workers that run until they are stopped.
pub struct Working {
    stop: CancellationToken,
    done: Vec<JoinHandle<anyhow::Result<()>>>,
}

pub fn work(workers: Vec<Worker>) -> Working {
    let stop = CancellationToken::new();
    let done = workers
        .into_iter()
        .map(|worker| tokio::spawn(worker.run(stop.clone())))
        .collect();
    Working { stop, done }
}

impl Working {
    pub async fn stop(self) {
        self.stop.cancel();
        for done in self.done {
            done.await.unwrap().unwrap();
        }
    }
}

/// A server that is known in Consul.
pub struct Running {
    pub address: SocketAddr,
    pub shutdown: Shutdown,
    pub done: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// Hosts the service as a member, with this delay between deregistration and closed doors.
pub async fn host(mut service: Service, member: &Membership, delay: Duration) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    member.join(&mut service, own(address.port()));
    let mut edge = edge();
    edge.limits.shutdown_delay = delay;
    let (router, workers) = service_router(service, &edge);
    let shutdown = Shutdown::default();
    let run = Server::new("things", router, edge).run(listener, workers, shutdown.clone());
    Running {
        address,
        shutdown,
        done: tokio::spawn(run),
    }
}

/// Waits for what comes soon; else the test fails in place of hanging.
pub async fn soon<T>(coming: impl Future<Output = T>) -> T {
    let came = tokio::time::timeout(Duration::from_secs(30), coming).await;
    came.expect("it does not come")
}

/// Waits until it is so; a test that waits for what never comes fails after half a minute.
pub async fn eventually<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let waiting = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    assert!(waited.is_ok(), "never: {what}");
}
