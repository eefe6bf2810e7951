//! A school to test in: the service with its real router, a clock that stands, and people.

use std::sync::Arc;

use axum::Router;
use backends::testing::{TestBus, TestDb, sqlite_bus};
use contracts::Verifier;
use contracts::testing::{Person, TestRoster, outbox};
use http::Method;
use kit::clock::MockClock;
use kit::ids::SeededIds;
use kit::routes::RouteInfo;
use kit::service::Worker;
use kit::testing::{Answer, request};
use kit::token::KeyRing;
use profile::Account;
use profile::store::Store;
use serde_json::Value;

/// The service and what it stands on.
pub struct World {
    pub router: Router,
    pub db: TestDb,
    /// The service's own store, for what comes to it from elsewhere than its routes.
    pub store: Store,
    pub clock: MockClock,
    pub roster: TestRoster,
    pub keys: KeyRing,
    pub bus: TestBus,
    /// What the service does by itself; runs only where a test starts it.
    pub workers: Vec<Worker>,
    pub table: Vec<RouteInfo>,
}

impl World {
    pub async fn new() -> Self {
        let db = backends::testing::sqlite().await;
        let bus = sqlite_bus().await;
        let clock = bus.clock.clone();
        let keys =
            KeyRing::hs256(&"7b1f9c04e6a25d83f0c1b7a96e4d2385".into(), "schoolyard").unwrap();
        let roster = TestRoster::default();
        let config = kit::config::Config::load(&[profile::SECTION], None, Vec::new(), &[]);
        let built = profile::build(
            config.unwrap().section("profile").unwrap(),
            profile::Deps {
                db: (*db).clone(),
                bus: bus.bus.clone(),
                roster: Arc::new(roster.clone()),
                verifier: Verifier::new(keys.clone(), clock.shared()),
                clock: clock.shared(),
                ids: SeededIds::shared(1, clock.shared()),
                metrics: kit::metrics::Metrics::new(),
            },
        )
        .await
        .unwrap();
        let ids = SeededIds::shared(2, clock.shared());
        Self {
            router: built.service.routes.router,
            store: Store::open((*db).clone(), clock.shared(), ids)
                .await
                .unwrap(),
            bus,
            workers: built.service.workers,
            table: built.service.routes.table,
            db,
            clock,
            roster,
            keys,
        }
    }

    /// Sends a request as somebody the gateway has recognised, or as nobody.
    pub async fn send(
        &self,
        who: Option<&Person>,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut sent = request(method, path);
        for (name, value) in headers {
            sent = sent.header(name, value);
        }
        if let Some(who) = who {
            sent = sent.extension(who.clone());
        }
        if let Some(body) = body {
            sent = sent.json(body);
        }
        Answer::of(sent.send(&self.router).await).await
    }

    pub async fn get(&self, who: &Person, path: &str) -> Answer {
        self.send(Some(who), Method::GET, path, &[], None).await
    }

    pub async fn own(&self, who: &Person) -> Answer {
        self.get(who, "/api/profile").await
    }

    pub async fn post(&self, who: &Person, body: &Value) -> Answer {
        self.send(Some(who), Method::POST, "/api/profile", &[], Some(body))
            .await
    }

    pub async fn put(&self, who: &Person, body: &Value) -> Answer {
        self.send(Some(who), Method::PUT, "/api/profile", &[], Some(body))
            .await
    }

    pub async fn delete(&self, who: &Person) -> Answer {
        self.send(Some(who), Method::DELETE, "/api/profile", &[], None)
            .await
    }

    /// Fills a profile in and answers it.
    pub async fn filled(&self, who: &Person, body: &Value) -> Value {
        let answer = self.post(who, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body
    }

    /// The state of an account, as an event tells it.
    pub async fn account(&self, who: &Person, name: &str, version: i64) {
        let account = Account {
            name: name.to_owned(),
            version,
            gone: false,
        };
        self.store.account(who.user, account).await.unwrap();
    }

    /// What one person is told another is called, or why not.
    pub async fn name(&self, who: &Person, whom: &Person) -> Result<String, u16> {
        let answer = self.get(who, &format!("/api/profile/{}", whom.user)).await;
        match answer.body["display_name"].as_str() {
            Some(name) => Ok(name.to_owned()),
            None => Err(answer.status),
        }
    }

    /// Events in the outbox as (type, data), oldest first.
    pub async fn events(&self) -> Vec<(String, Value)> {
        outbox(&self.db).await
    }
}
