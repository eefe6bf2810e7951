//! A school with nobody in it, and what tests do there.

use std::sync::Arc;

use auth::{Accounts, Config, Deps, Person, Registration};
use backends::{bus, db::Db, testing::TestDb};
use chrono::TimeDelta;
use contracts::{Identity, Role, Roles, Verifier};
use http::Method;
use kit::{
    MockClock, SharedClock,
    ids::RandomIds,
    metrics::Metrics,
    server::{Edge, Server, service_router},
    service::Worker,
    testing::{self, Answer, TestRequest},
    token::KeyRing,
};
use serde_json::{Value, json};

/// A password that fits the rules.
pub const PASSWORD: &str = "correct horse battery";
/// The key that signs tokens.
pub const SECRET: &str = "hH3c9Pz0vQm4sK7tWb2xYd5eRf8gJl1n";

pub struct School {
    pub server: Server,
    pub accounts: Accounts,
    pub identity: Arc<dyn Identity>,
    pub clock: MockClock,
    pub keys: KeyRing,
    pub db: Db,
    pub metrics: Metrics,
    pub folder: tempfile::TempDir,
}

impl School {
    pub async fn open(db: &TestDb) -> Self {
        Self::with(db, |config| config.registration = Registration::Open).await
    }

    pub async fn with(db: &TestDb, change: impl FnOnce(&mut Config)) -> Self {
        Self::at(db, MockClock::default(), change).await
    }

    /// The school again, as after a restart.
    pub async fn restarted(&self, db: &TestDb) -> Self {
        Self::at(db, self.clock.clone(), |config| {
            config.registration = Registration::Open;
        })
        .await
    }

    async fn at(db: &Db, clock: MockClock, change: impl FnOnce(&mut Config)) -> Self {
        // without its workers, which end here
        Self::with_workers(db, clock, change).await.0
    }

    /// One of several instances, and what keeps it equal to the others.
    pub async fn with_workers(
        db: &Db,
        clock: MockClock,
        change: impl FnOnce(&mut Config),
    ) -> (Self, Vec<Worker>) {
        let mut config = Config::for_tests();
        change(&mut config);
        let folder = tempfile::tempdir().unwrap();
        let shared: SharedClock = clock.shared();
        let ids = RandomIds::shared(shared.clone());
        let keys = KeyRing::hs256(&SECRET.into(), "schoolyard").unwrap();
        let metrics = Metrics::new();
        let bus = bus::open(
            &format!("sqlite:{}", folder.path().join("bus.db").display()),
            shared.clone(),
        )
        .await
        .unwrap();
        let deps = Deps {
            db: db.clone(),
            bus,
            keys: keys.clone(),
            verifier: Verifier::new(keys.clone(), shared.clone()),
            clock: shared.clone(),
            ids: ids.clone(),
            metrics: metrics.clone(),
            data_dir: Some(folder.path().to_path_buf()),
        };
        let mut built = auth::build(config, deps).await.unwrap();
        let workers = std::mem::take(&mut built.service.workers);
        let edge = Edge::new(shared, ids, metrics.clone());
        let (router, _) = service_router(built.service, &edge);
        let server = Server::new("auth", router, edge);
        let school = Self {
            server,
            accounts: built.accounts,
            identity: built.client,
            clock,
            keys,
            db: db.clone(),
            metrics,
            folder,
        };
        (school, workers)
    }

    pub async fn send(&self, request: TestRequest) -> Answer {
        Answer::of(request.send(&self.server).await).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(testing::post(path, &body)).await
    }

    pub async fn call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Answer {
        let request = testing::request(method, path).bearer(token);
        self.send(if let Some(body) = body {
            request.json(&body)
        } else {
            request
        })
        .await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, token, None).await
    }

    /// What the gateway would get for this token.
    pub async fn validate(&self, token: &str) -> Answer {
        self.get("/api/auth/validate", token).await
    }

    pub async fn login(&self, username: &str, password: &str) -> Answer {
        self.post(
            "/api/auth/login",
            json!({"username": username, "password": password}),
        )
        .await
    }

    /// An account with these roles; its id.
    pub async fn person(&self, username: &str, roles: &[Role]) -> i64 {
        let person = Person {
            email: Some(format!("{username}@x.org")),
            username: username.to_owned(),
            first_name: username.to_owned(),
            last_name: "Roy".to_owned(),
            roles: roles.iter().copied().collect::<Roles>(),
            password: PASSWORD.into(),
        };
        self.accounts.create_person(person).await.unwrap().id.0
    }

    /// The answer of a login that must work.
    pub async fn signed_in(&self, username: &str) -> Answer {
        let answer = self.login(username, PASSWORD).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer
    }

    /// The same, its access token.
    pub async fn token(&self, username: &str) -> String {
        self.signed_in(username).await.member("access_token")
    }

    pub fn advance(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    /// How many passwords were hashed so far.
    pub fn hashes(&self) -> u64 {
        let text = self.metrics.render();
        let line = text
            .lines()
            .find(|line| line.starts_with("auth_password_hashes_total "))
            .unwrap_or("x 0");
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    pub async fn stored_hash(&self, user: i64) -> Option<String> {
        self.db
            .query("SELECT password_hash FROM users WHERE id = $1")
            .bind(user)
            .scalar()
            .await
            .unwrap()
    }

    pub async fn set_stored_hash(&self, user: i64, hash: &str) {
        let mut tx = self.db.begin().await.unwrap();
        tx.query("UPDATE users SET password_hash = $1 WHERE id = $2")
            .bind(hash.to_owned())
            .bind(user)
            .execute()
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
}
