//! A feed on a bus of its own, with an owner that answers from a list.

pub mod halt;
pub mod live;
pub mod owner;

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

pub use self::halt::Halting;
pub use self::live::{Live, Seen};
use self::owner::{Owner, start};
use axum::Router;
use axum::response::Response;
use backends::bus::{self, Bus, Record};
use contracts::events::{
    PostDeleted, PostEvent, PostState, ProfileEvent, RevokeReason, SessionRevoked, User, UserEvent,
    UserEventKind, UserState,
};
use contracts::{PostId, RolesOnly, UserId, Verified, Verifier};
use feed::store::{MemoryStore, Store};
use feed::{Applied, Config, Deps, Inspector, Limits, Rebuilds};
use kit::clock::MockClock;
use kit::ids::{SeededIds, SharedIds};
use kit::metrics::Metrics;
use kit::service::Worker;
use kit::testing::{get, json};
use kit::token::KeyRing;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a test decides.
pub struct Setup {
    pub window: usize,
    pub public: bool,
    pub store: Option<Arc<dyn Store>>,
    pub live_comment_seconds: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            window: 1000,
            public: false,
            store: None,
            live_comment_seconds: 20,
        }
    }
}

/// What outlives a feed.
#[derive(Clone)]
pub struct World {
    pub owner: Arc<Owner>,
    pub exports: Arc<Halting>,
    pub bus: Arc<dyn Bus>,
    pub clock: MockClock,
    pub ids: SharedIds,
    _folder: Arc<tempfile::TempDir>,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = MockClock::at(start() + chrono::TimeDelta::hours(12));
        let ids: SharedIds = Arc::new(SeededIds::new(7, clock.shared()));
        let url = format!("sqlite:{}", folder.path().join("bus.db").display());
        let owner = Arc::new(Owner::default());
        Self {
            exports: Arc::new(Halting::of(owner.clone())),
            owner,
            bus: bus::open(&url, clock.shared()).await.unwrap(),
            clock,
            ids,
            _folder: Arc::new(folder),
        }
    }
}

pub struct TestFeed {
    pub router: Router,
    pub world: World,
    pub owner: Arc<Owner>,
    pub bus: Arc<dyn Bus>,
    pub clock: MockClock,
    pub ids: SharedIds,
    pub metrics: Metrics,
    pub applied: Applied,
    pub rebuilds: Rebuilds,
    pub inspector: Inspector,
    workers: parking_lot::Mutex<Vec<Worker>>,
    running: Option<(CancellationToken, Vec<JoinHandle<anyhow::Result<()>>>)>,
    _keeps: Option<Arc<dyn Any + Send + Sync>>,
}

/// A store, and what it needs as long as it is used.
#[derive(Clone, Debug)]
pub struct Opened {
    pub store: Arc<dyn Store>,
    pub keeps: Option<Arc<dyn Any + Send + Sync>>,
}

impl Deref for Opened {
    type Target = Arc<dyn Store>;

    fn deref(&self) -> &Arc<dyn Store> {
        &self.store
    }
}

/// As much as the feed keeps.
pub fn limits(window: usize) -> Limits {
    Limits {
        window,
        remember: chrono::TimeDelta::days(8),
    }
}

/// A store in this process.
pub fn memory(window: usize) -> Opened {
    Opened {
        store: Arc::new(MemoryStore::new(limits(window), 1 << 20)),
        keeps: None,
    }
}

impl TestFeed {
    /// Built, not running: there is no stream yet.
    pub async fn cold(setup: Setup) -> Self {
        Self::cold_in(World::new().await, setup).await
    }

    /// The same where a feed was before.
    pub async fn cold_in(world: World, setup: Setup) -> Self {
        let World {
            owner,
            exports,
            bus,
            clock,
            ids,
            ..
        } = world.clone();
        let keys =
            KeyRing::hs256(&"a key for tests only, 32 bytes long!".into(), "schoolyard").unwrap();
        let metrics = Metrics::new();
        let deps = Deps {
            bus: bus.clone(),
            posts: exports,
            roster: Arc::new(RolesOnly),
            verifier: Verifier::new(keys, clock.shared()),
            public_audience: setup.public,
            public_url: "https://school.example".to_owned(),
            clock: clock.shared(),
            metrics: metrics.clone(),
        };
        let store = setup.store.map(|store| Opened { store, keeps: None });
        let Opened { store, keeps } = store.unwrap_or_else(|| crate::backend(setup.window));
        let config = Config {
            window: setup.window,
            live_comment_seconds: setup.live_comment_seconds,
            ..Config::default()
        };
        let built = feed::build_on(store, config, deps).await.unwrap();
        Self {
            router: built.service.routes.router,
            world,
            owner,
            bus,
            clock,
            ids,
            metrics,
            applied: built.applied,
            rebuilds: built.rebuilds,
            inspector: built.inspector,
            workers: built.service.workers.into(),
            running: None,
            _keeps: keeps,
        }
    }

    /// Filled from the owner and following the bus.
    pub async fn start(setup: Setup) -> Self {
        let mut feed = Self::cold(setup).await;
        feed.run();
        feed.applied.filled().await.unwrap();
        feed
    }

    pub fn run(&mut self) {
        let stop = CancellationToken::new();
        let workers = std::mem::take(self.workers.get_mut()).into_iter();
        let running = workers
            .map(|worker| tokio::spawn(worker.run(stop.clone())))
            .collect();
        self.running = Some((stop, running));
    }

    pub async fn stop(&mut self) {
        if let Some((stop, workers)) = self.running.take() {
            stop.cancel();
            for worker in workers {
                worker.await.unwrap().unwrap();
            }
        }
    }

    /// The owner has it, and tells.
    pub async fn publish(&self, post: &PostState) {
        self.owner.set(post);
        self.tell(post).await;
        self.applied.post(post.post_id, post.version).await.unwrap();
    }

    /// The bus tells it.
    pub async fn tell(&self, post: &PostState) {
        let message = PostEvent::state(post, self.ids.uuid(), self.applied_at());
        self.send(
            message.topic,
            Some(message.key),
            message.payload,
            message.headers,
        )
        .await;
    }

    /// Until everything that is on the bus by now is applied.
    pub async fn settled(&self) {
        let topics = ["posts-events", "auth-events", "profile-events"];
        let ends = self.bus.ends(&topics).await.unwrap();
        self.applied.reached(&ends).await.unwrap();
    }

    /// Rebuilds the stream and waits for the end of it.
    pub async fn rebuild(&self) -> feed::Report {
        let job = self.rebuilds.start().unwrap();
        self.rebuilds.ended(&job).await.unwrap()
    }

    pub async fn delete(&self, id: PostId, version: i64) {
        self.owner.delete(id, version, self.applied_at());
        let reason = contracts::events::DeleteReason::Author;
        let gone = PostDeleted {
            post_id: id,
            user_id: UserId(7),
            version,
            reason,
        };
        let message = PostEvent::deleted(&gone, self.ids.uuid(), self.applied_at());
        self.send(
            message.topic,
            Some(message.key),
            message.payload,
            message.headers,
        )
        .await;
        self.applied.post(id, version).await.unwrap();
    }

    pub async fn rename(&self, event: &UserEvent) {
        let message = event.message(self.ids.uuid(), self.applied_at());
        self.send(
            message.topic,
            Some(message.key),
            message.payload,
            message.headers,
        )
        .await;
        self.applied
            .name(event.state.user_id, event.state.version)
            .await
            .unwrap();
    }

    /// The account of this person is as they are, in this version of it.
    pub async fn account(&self, who: &Verified, version: i64, is_active: bool) {
        let user = User {
            id: who.user,
            email: None,
            username: who.username.clone(),
            first_name: String::new(),
            last_name: String::new(),
            full_name: who.username.clone(),
            role: who.roles.primary(),
            roles: who.roles,
            user_type: None,
            is_active,
            date_joined: start(),
        };
        let state = UserState {
            user_id: user.id,
            user_type: None,
            user_data: user,
            version,
        };
        let kind = UserEventKind::RolesChanged;
        self.rename(&UserEvent { kind, state }).await;
    }

    /// The session ends.
    pub async fn revoke(&self, who: &Verified) {
        let signal = SessionRevoked {
            user_id: who.user,
            session_id: who.session,
            reason: RevokeReason::Revoked,
        };
        let message = signal.message(self.ids.uuid(), self.applied_at());
        let topic = message.topic;
        self.send(topic, Some(message.key), message.payload, message.headers)
            .await;
    }

    /// An open live stream.
    pub async fn live(&self, who: &Arc<Verified>, after: Option<&str>) -> Live {
        Live::of(self.listen(who, after).await)
    }

    pub async fn listen(&self, who: &Arc<Verified>, after: Option<&str>) -> Response {
        let request = get("/api/activity-stream/live").extension(who.clone());
        match after {
            Some(id) => request.header("last-event-id", id).send(&self.router).await,
            None => request.send(&self.router).await,
        }
    }

    pub async fn profile(&self, event: &ProfileEvent) {
        let message = event.message(self.ids.uuid(), self.applied_at());
        let topic = message.topic;
        self.send(topic, Some(message.key), message.payload, message.headers)
            .await;
        let ends = self.bus.ends(&[topic]).await.unwrap();
        self.applied.reached(&ends).await.unwrap();
    }

    /// A message of a foreign producer: no key, no headers.
    pub async fn raw(&self, payload: &str) {
        self.send(
            "posts-events",
            None,
            payload.as_bytes().to_vec(),
            BTreeMap::new(),
        )
        .await;
    }

    async fn send(
        &self,
        topic: &str,
        key: Option<String>,
        payload: Vec<u8>,
        headers: BTreeMap<String, String>,
    ) {
        let event_id = key.as_ref().map(|_| self.ids.uuid());
        let record = Record {
            topic: topic.to_owned(),
            key,
            payload: payload.into(),
            headers,
            event_id,
        };
        self.bus.publish(vec![record]).await.unwrap();
    }

    fn applied_at(&self) -> chrono::DateTime<chrono::Utc> {
        kit::clock::Clock::now(&self.clock)
    }

    pub async fn get(&self, path: &str, who: Option<Arc<Verified>>) -> Response {
        let request = get(&format!("/api/activity-stream{path}"));
        match who {
            Some(who) => request.extension(who).send(&self.router).await,
            None => request.send(&self.router).await,
        }
    }

    pub async fn read(&self, path: &str, who: Option<Arc<Verified>>) -> (u16, Value) {
        json(self.get(path, who).await).await
    }

    /// The titles on a page of this reader.
    pub async fn titles(&self, path: &str, who: &Arc<Verified>) -> Vec<String> {
        let (status, page) = self.read(path, Some(who.clone())).await;
        assert_eq!(status, 200, "{page}");
        titles(&page)
    }
}

pub fn titles(page: &Value) -> Vec<String> {
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["title"].as_str().unwrap().to_owned())
        .collect()
}
