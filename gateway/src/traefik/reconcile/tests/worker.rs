//! The work itself, on a Consul in this process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use kit::consul::memory::MemoryConsul;
use kit::consul::{ConsulError, KeyValue, Operation};
use kit::metrics::Metrics;
use kit::routes::{Access, RouteInfo};
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::super::{Reconciler, Sources, State, View};
use super::steps::{Keys, of};
use crate::traefik::model::ROOT;
use crate::traefik::render::tests::{info, settings, trust};
use crate::traefik::render::{Routing, Settings};
use crate::traefik::trust::{Authority, Trust};

/// Says what a test says.
#[derive(Debug, Default)]
struct FakeAuthority(Mutex<Option<Trust>>);

#[async_trait]
impl Authority for FakeAuthority {
    async fn trust(&self) -> anyhow::Result<Trust> {
        let known = self.0.lock().clone();
        known.ok_or_else(|| anyhow::anyhow!("peers.auth: auth does not answer"))
    }
}

/// Gateways at work on one Consul.
struct Work {
    consul: MemoryConsul,
    authority: Arc<FakeAuthority>,
    metrics: Metrics,
    stop: CancellationToken,
    running: JoinSet<anyhow::Result<()>>,
}

impl Work {
    fn new() -> Self {
        let authority = FakeAuthority(Mutex::new(Some(trust())));
        Self {
            consul: MemoryConsul::new(),
            authority: Arc::new(authority),
            metrics: Metrics::new(),
            stop: CancellationToken::new(),
            running: JoinSet::new(),
        }
    }

    fn gateway(&mut self, settings: Settings) -> State {
        let routing = Routing::new(settings, &table()).unwrap();
        let from = Sources {
            keys: Arc::new(self.consul.clone()),
            catalog: Arc::new(self.consul.clone()),
            authority: self.authority.clone(),
        };
        let mut reconciler = Reconciler::new(routing, from, &self.metrics);
        // The looks that nothing asks for are tested by one that is asked for all the time.
        reconciler.look = Duration::from_millis(20);
        let state = reconciler.state();
        for worker in reconciler.workers() {
            self.running.spawn(worker.run(self.stop.clone()));
        }
        state
    }

    async fn keys(&self) -> Keys {
        let listing = self.consul.list("", None).await.unwrap();
        let text = |value| String::from_utf8(value).unwrap();
        let pairs = listing.pairs.into_iter();
        pairs.map(|pair| (pair.key, text(pair.value))).collect()
    }

    /// Waits until the keys are these.
    async fn until(&self, wanted: &Keys) {
        let mut after = None;
        while self.keys().await != *wanted {
            after = Some(self.consul.list("", after).await.unwrap().index);
        }
    }

    async fn end(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap().unwrap();
        }
    }
}

fn table() -> Vec<RouteInfo> {
    vec![
        info("posts", Some(Method::GET), "/api/posts", Access::Public),
        info(
            "posts",
            Some(Method::POST),
            "/api/posts",
            Access::Authenticated,
        ),
    ]
}

fn wanted(settings: Settings, trust: Option<&Trust>) -> Keys {
    of(&Routing::new(settings, &table())
        .unwrap()
        .objects(trust, &[])
        .unwrap())
}

async fn until(state: &State, reached: impl FnMut(&View) -> bool) -> View {
    state.watch().wait_for(reached).await.unwrap().clone()
}

async fn ready(state: &State) -> Result<(), (String, String)> {
    let clock = kit::MockClock::default().shared();
    let health = kit::service::Health::new("gateway", vec![state.check()], clock);
    let ready = health.ready().await;
    let found = &ready.checks["routes"];
    match &found.error_code {
        None => Ok(()),
        Some(code) => Err((ready.status.to_owned(), code.clone())),
    }
}

#[tokio::test]
async fn an_empty_consul_is_filled_and_a_wiped_one_again() {
    let mut work = Work::new();
    let state = work.gateway(settings());
    let wanted = wanted(settings(), Some(&trust()));
    work.until(&wanted).await;
    until(&state, |view| view.settled).await;
    assert_eq!(ready(&state).await, Ok(()));
    for _ in 0..3 {
        work.consul.wipe();
        work.until(&wanted).await;
    }
    work.end().await;
}

#[tokio::test]
async fn what_somebody_changes_is_put_right_and_what_is_not_ours_is_left_alone_and_said() {
    let mut work = Work::new();
    let state = work.gateway(settings());
    let wanted = wanted(settings(), Some(&trust()));
    work.until(&wanted).await;
    let set = |key: &str, value: &str| Operation::Set {
        key: format!("{ROOT}{key}"),
        value: value.as_bytes().to_vec(),
    };
    let theirs = set("http/routers/theirs/rule", "Path(`/theirs`)");
    work.consul
        .apply(&[
            theirs,
            set("http/routers/sy-web/rule", "Path(`/nothing`)"),
            set(
                "http/routers/sy-posts-authenticated-body-1048576/middlewares/0",
                "sy-retry",
            ),
            set("http/routers/sy-gone/rule", "PathPrefix(`/`)"),
            Operation::Delete {
                key: format!("{ROOT}http/middlewares/sy-auth/forwardAuth/address"),
            },
        ])
        .await
        .unwrap();
    let mut both = wanted.clone();
    both.insert(
        "traefik/http/routers/theirs/rule".to_owned(),
        "Path(`/theirs`)".to_owned(),
    );
    work.until(&both).await;
    until(&state, |view| view.settled).await;
    let metrics = work.metrics.render();
    assert!(
        metrics.contains("gateway_routes_foreign_keys 1"),
        "{metrics}"
    );
    assert!(metrics.contains("gateway_routes_settled 1"), "{metrics}");
    work.end().await;
}

#[tokio::test]
async fn two_at_once_come_to_rest() {
    let mut work = Work::new();
    let wanted = wanted(settings(), Some(&trust()));
    let states = [work.gateway(settings()), work.gateway(settings())];
    for _ in 0..5 {
        work.until(&wanted).await;
        for state in &states {
            until(state, |view| view.settled).await;
        }
        work.consul.wipe();
    }
    work.until(&wanted).await;
    let written = |state: &State| state.watch().borrow().written;
    let together: u64 = states.iter().map(written).sum();
    let calm = work.consul.list(ROOT, None).await.unwrap().index;
    // Each looks some times more, and neither finds anything.
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..5 {
        looks.tick().await;
    }
    assert_eq!(work.consul.list(ROOT, None).await.unwrap().index, calm);
    assert!(
        together < 100,
        "{together} transactions for six times the same"
    );
    work.end().await;
}

#[tokio::test]
async fn while_consul_is_away_or_refuses_the_token_it_is_said_which_setting_to_look_at() {
    let mut work = Work::new();
    work.consul
        .fail(Some(ConsulError::Unreachable("refused".to_owned())));
    let state = work.gateway(settings());
    let view = until(&state, |view| view.consul.is_some()).await;
    assert!(
        view.consul
            .unwrap()
            .to_string()
            .starts_with("consul.address: ")
    );
    assert_eq!(
        ready(&state).await,
        Err(("degraded".to_owned(), "consul_unavailable".to_owned()))
    );
    work.consul.fail(Some(ConsulError::Refused(
        "key:write on traefik/".to_owned(),
    )));
    let refused = |view: &View| matches!(view.consul, Some(ConsulError::Refused(_)));
    let view = until(&state, refused).await;
    assert!(
        view.consul
            .unwrap()
            .to_string()
            .starts_with("consul.token: ")
    );
    work.consul.fail(None);
    work.until(&wanted(settings(), Some(&trust()))).await;
    until(&state, |view| view.settled && view.consul.is_none()).await;
    assert_eq!(ready(&state).await, Ok(()));
    work.end().await;
}

#[tokio::test]
async fn without_an_authority_public_routes_are_routed_and_with_it_all_are() {
    let mut work = Work::new();
    *work.authority.0.lock() = None;
    let state = work.gateway(settings());
    work.until(&wanted(settings(), None)).await;
    let unknown = |view: &View| view.settled && view.authority.is_some();
    let view = until(&state, unknown).await;
    assert!(view.authority.unwrap().contains("peers.auth"));
    assert_eq!(
        ready(&state).await,
        Err(("degraded".to_owned(), "authority_unknown".to_owned()))
    );
    *work.authority.0.lock() = Some(trust());
    work.until(&wanted(settings(), Some(&trust()))).await;
    until(&state, |view| view.settled && view.authority.is_none()).await;
    work.end().await;
}

#[tokio::test]
async fn a_gateway_that_starts_while_auth_is_away_believes_what_stands_in_consul() {
    let mut work = Work::new();
    let first = work.gateway(settings());
    let complete = wanted(settings(), Some(&trust()));
    work.until(&complete).await;
    until(&first, |view| view.settled).await;
    work.stop.cancel();
    while work.running.join_next().await.is_some() {}
    work.stop = CancellationToken::new();
    *work.authority.0.lock() = None;
    let state = work.gateway(settings());
    until(&state, |view| view.settled && view.authority.is_some()).await;
    assert_eq!(work.keys().await, complete);
    assert_eq!(state.watch().borrow().written, 0);
    work.end().await;
}

#[tokio::test]
async fn another_authority_is_written_at_once() {
    let mut work = Work::new();
    work.gateway(settings());
    work.until(&wanted(settings(), Some(&trust()))).await;
    let other = "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----";
    let other = Trust::new(other).unwrap();
    *work.authority.0.lock() = Some(other.clone());
    work.until(&wanted(settings(), Some(&other))).await;
    work.end().await;
}
