//! A school with several instances of auth on one store, each with connections of its own as another process would have.

use std::sync::Arc;

use backends::{bus, db::Db, testing::TestDb};
use chrono::TimeDelta;
use contracts::{Identity, Presented, Role, Roles, UserId, Verifier, events::RevokeReason};
use http::{HeaderMap, Method, header::AUTHORIZATION};
use kit::{MockClock, RandomIds, SharedIds, metrics::Metrics, service::Worker, token::KeyRing};
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::hub::Hub;
use crate::{
    Built, Config, Deps, build_at,
    instances::{Place, Shared},
    model::{NewAccount, Origin},
    state::Auth,
    store::{NewRoles, Which},
};

const SECRET: &str = "hH3c9Pz0vQm4sK7tWb2xYd5eRf8gJl1n";

/// What instances share.
pub struct School {
    pub db: TestDb,
    pub hub: Hub,
    pub clock: MockClock,
    ids: SharedIds,
    folder: tempfile::TempDir,
}

/// One instance.
pub struct Instance {
    pub auth: Auth,
    pub metrics: Metrics,
    pub db: Db,
    id: Option<Uuid>,
    identity: Arc<dyn Identity>,
    /// What keeps it equal to the others, while it runs.
    keeping: Option<(CancellationToken, JoinHandle<()>)>,
    claim: Mutex<Vec<Worker>>,
}

/// A session with its tokens.
#[derive(Clone)]
pub struct SignedIn {
    pub user: UserId,
    pub session: Uuid,
    pub token: String,
    pub refresh: String,
}

/// What a decision was.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    Allowed(Roles),
    Refused(u16),
}

impl School {
    pub fn on(db: TestDb) -> Self {
        let clock = MockClock::default();
        Self {
            db,
            hub: Hub::default(),
            // one for all, so that ids differ
            ids: RandomIds::shared(clock.shared()),
            clock,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// One more instance that hears the others, and believes its copy.
    pub async fn instance(&self) -> Instance {
        let instance = self.starting().await;
        instance.believing().await;
        instance
    }

    /// The same, but just started.
    pub async fn starting(&self) -> Instance {
        let shared = Shared {
            notices: Arc::new(self.hub.clone()),
            standby: Arc::new(self.hub.clone()),
            windows: None,
        };
        self.at(Place::Among(Box::new(move |_, _| shared)))
            .await
            .unwrap()
    }

    /// How many sessions the store has that were not ended.
    pub async fn living(&self) -> i64 {
        let sql = "SELECT COUNT(*) FROM sessions WHERE revoked_at IS NULL";
        self.db.query(sql).scalar().await.unwrap()
    }

    /// So many seconds from now, as tokens say it.
    pub fn clock_in(&self, seconds: i64) -> i64 {
        kit::Clock::now(&self.clock).timestamp() + seconds
    }

    pub async fn at(&self, place: Place) -> anyhow::Result<Instance> {
        let db = self.db.again().await;
        let (shared, metrics) = (self.clock.shared(), Metrics::new());
        let keys = KeyRing::hs256(&SECRET.into(), "schoolyard").unwrap();
        let path = self.folder.path().join("bus.db");
        let bus = bus::open(&format!("sqlite:{}", path.display()), shared.clone()).await?;
        let mut config = Config::for_tests();
        config.failed_logins_per_minute = 5;
        let deps = Deps {
            db: db.clone(),
            bus,
            verifier: Verifier::new(keys.clone(), shared.clone()),
            keys,
            clock: shared,
            ids: self.ids.clone(),
            metrics: metrics.clone(),
            data_dir: None,
        };
        let Built {
            service,
            client,
            accounts,
            ..
        } = build_at(place, config, deps).await?;
        let mut instance = Instance {
            auth: accounts.auth(),
            metrics,
            db,
            id: None,
            identity: client,
            keeping: None,
            claim: Mutex::default(),
        };
        instance.id = instance.auth.store.instances().id();
        for worker in service.workers {
            match worker.name() {
                "auth-instances" => instance.keep(worker),
                "auth-claim" => instance.claim.lock().push(worker),
                _ => {}
            }
        }
        Ok(instance)
    }
}

impl Instance {
    pub fn id(&self) -> Uuid {
        self.id.expect("it is one of several")
    }

    fn keep(&mut self, worker: Worker) {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let running = tokio::spawn(async move { worker.run(stopped).await.unwrap() });
        self.keeping = Some((stop, running));
    }

    /// The process stands still: nothing is heard and nothing renewed.
    pub fn pause(&mut self) {
        if let Some((_, running)) = self.keeping.take() {
            running.abort();
        }
    }

    /// Goes on.
    pub fn resume(&mut self) {
        if self.keeping.is_none() {
            let worker = super::super::keeper::keep(self.auth.store.clone());
            self.keep(worker.expect("it is one of several"));
        }
    }

    /// Ends as a process that was told to.
    pub async fn stop(mut self) {
        if let Some((stop, running)) = self.keeping.take() {
            stop.cancel();
            running.await.unwrap();
        }
    }

    pub fn believes(&self) -> bool {
        self.auth.store.instances().believes(self.auth.clock.now())
    }

    /// Until it believes its copy.
    pub async fn believing(&self) {
        until(async || self.believes()).await;
    }

    /// Until it does not.
    pub async fn doubting(&self) {
        until(async || !self.believes()).await;
    }

    /// How often something was counted.
    pub fn count(&self, name: &str) -> u64 {
        let text = self.metrics.render();
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    pub async fn person(&self, username: &str, roles: &[Role]) -> UserId {
        let new = NewAccount {
            email: None,
            username: username.to_owned(),
            first_name: String::new(),
            last_name: String::new(),
            roles: roles.iter().copied().collect::<Roles>().with(Role::Member),
            password_hash: Some(
                "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW".into(),
            ),
        };
        let made = self.auth.store.create(new, Origin::default(), None).await;
        made.unwrap().id
    }

    pub async fn signed_in(&self, user: UserId) -> SignedIn {
        let new = self.auth.new_session(user, None, None);
        let opened = self.auth.store.open_session(new, Origin::default()).await;
        let (session, refresh) = opened.unwrap();
        let known = self.auth.store.account(user).await.unwrap().unwrap();
        let tokens = self
            .auth
            .tokens(&known.account, &session, &refresh, false, "");
        SignedIn {
            user,
            session: session.id,
            token: tokens.access_token,
            refresh: tokens.refresh_token,
        }
    }

    /// What it says to the gateway.
    pub async fn says(&self, who: &SignedIn) -> Said {
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", who.token);
        headers.insert(AUTHORIZATION, bearer.parse().unwrap());
        let presented = Presented {
            headers: &headers,
            anonymous: false,
            method: &Method::GET,
            uri: "/api/posts",
            address: None,
        };
        match self.identity.validate(&presented).await {
            Ok(contracts::Decision::Identified { who: verified, .. }) => {
                assert_eq!((verified.user, verified.session), (who.user, who.session));
                Said::Allowed(verified.roles)
            }
            Ok(contracts::Decision::Anonymous) => panic!("a credential was presented"),
            Err(problem) => Said::Refused(problem.status().as_u16()),
        }
    }

    pub async fn allows(&self, who: &SignedIn) -> bool {
        matches!(self.says(who).await, Said::Allowed(_))
    }

    pub async fn end(&self, who: &SignedIn) {
        end(&self.auth, who).await;
    }

    pub async fn give(&self, user: UserId, roles: &[Role]) {
        let new = NewRoles {
            user,
            roles: roles.iter().copied().collect::<Roles>().with(Role::Member),
            reason: "a test".into(),
        };
        self.auth
            .store
            .set_roles(new, Origin::default())
            .await
            .unwrap();
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.pause();
    }
}

/// Ends a session, and returns when that is answered.
pub async fn end(auth: &Auth, who: &SignedIn) {
    let which = Which::One(who.session);
    let ended = auth
        .store
        .end(who.user, which, RevokeReason::Revoked, Origin::default());
    ended.await.unwrap();
}

/// Until it is so.
pub async fn until(so: impl AsyncFn() -> bool) {
    let trying = async {
        while !so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), trying)
        .await
        .expect("it never came to be so");
}

/// So many seconds.
pub fn seconds(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}
