//! A school to test in: the service with its real router, a clock that stands, and people.

use std::sync::Arc;

use axum::Router;
use backends::testing::{TestBus, sqlite_bus};
use contracts::testing::{Person, TestRoster};
use contracts::{Posts, Verifier};
use http::Method;
use kit::clock::MockClock;
use kit::ids::SeededIds;
use kit::routes::RouteInfo;
use kit::service::Worker;
use kit::testing::{Answer, request};
use kit::token::{Claims, KeyRing, TokenKind};
use serde_json::{Value, json};

use crate::places::{Place, place};

/// The service and what it stands on.
pub struct World {
    pub router: Router,
    pub place: Place,
    pub clock: MockClock,
    pub roster: TestRoster,
    pub client: Arc<dyn Posts>,
    pub keys: KeyRing,
    pub bus: TestBus,
    /// What the service does by itself; runs only where a test starts it.
    pub workers: Vec<Worker>,
    pub table: Vec<RouteInfo>,
}

/// Settings as the service documents them, with some changed.
pub fn config(changes: &[(&str, &str)]) -> posts::Config {
    let environment = changes.iter().map(|(name, value)| {
        (
            format!("SCHOOLYARD_POSTS__{}", name.to_uppercase()),
            (*value).to_owned(),
        )
    });
    kit::config::Config::load(&[posts::SECTION], None, environment.collect(), &[])
        .unwrap()
        .section("posts")
        .unwrap()
}

/// The settings that `compat.civildiy` makes.
pub const CIVILDIY: [(&str, &str); 3] = [
    ("public_audience", "true"),
    ("default_audience", "public"),
    ("moderate", ""),
];

impl World {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    pub async fn with(changes: &[(&str, &str)]) -> Self {
        Self::on(place().await, changes).await
    }

    /// Over a store there is.
    pub async fn on(place: Place, changes: &[(&str, &str)]) -> Self {
        let bus = sqlite_bus().await;
        let clock = bus.clock.clone();
        let keys =
            KeyRing::hs256(&"7b1f9c04e6a25d83f0c1b7a96e4d2385".into(), "schoolyard").unwrap();
        let roster = TestRoster::default();
        let built = posts::build(
            config(changes),
            posts::Deps {
                store: place.storage().await,
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
        Self {
            router: built.service.routes.router,
            bus,
            workers: built.service.workers,
            table: built.service.routes.table,
            place,
            clock,
            roster,
            client: built.client,
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

    pub async fn get(&self, who: Option<&Person>, path: &str) -> Answer {
        self.send(who, Method::GET, path, &[], None).await
    }

    pub async fn post(&self, who: &Person, body: &Value) -> Answer {
        self.send(Some(who), Method::POST, "/api/posts", &[], Some(body))
            .await
    }

    pub async fn put(&self, who: &Person, id: &str, body: &Value) -> Answer {
        self.send(
            Some(who),
            Method::PUT,
            &format!("/api/posts/{id}"),
            &[],
            Some(body),
        )
        .await
    }

    pub async fn delete(&self, who: &Person, id: &str) -> Answer {
        self.send(
            Some(who),
            Method::DELETE,
            &format!("/api/posts/{id}"),
            &[],
            None,
        )
        .await
    }

    /// Publishes and answers the id.
    pub async fn publish(&self, who: &Person, title: &str, audience: &[&str]) -> String {
        let answer = self
            .post(
                who,
                &json!({"title": title, "content": "text", "audience": audience}),
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    /// The titles somebody is shown.
    pub async fn titles(&self, who: Option<&Person>, query: &str) -> Vec<String> {
        let answer = self.get(who, &format!("/api/posts?{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let items = answer
            .body
            .as_array()
            .or_else(|| answer.body["items"].as_array())
            .unwrap();
        items
            .iter()
            .map(|post| post["title"].as_str().unwrap().to_owned())
            .collect()
    }

    /// A bearer token of another service.
    pub fn service_token(&self, name: &str) -> String {
        let now = kit::Clock::now(&self.clock).timestamp();
        self.keys.sign(&Claims {
            kind: TokenKind::Service,
            sub: name.to_owned(),
            iat: now,
            exp: now + 300,
            ..claims()
        })
    }

    /// Events in the outbox as (type, data), oldest first.
    pub async fn events(&self) -> Vec<(String, Value)> {
        self.place.outbox().await
    }
}

fn claims() -> Claims {
    serde_json::from_value(json!({"iss": "schoolyard", "aud": "schoolyard", "sub": "", "roles": [], "iat": 0, "exp": 0})).unwrap()
}
