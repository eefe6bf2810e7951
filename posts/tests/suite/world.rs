//! A school to test in: the service with its real router, a clock that stands, and people.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use backends::bus::Bus;
use contracts::{
    Audience, Duty, Posts, Role, Roles, RolesOnly, Roster, UserId, Verified, Verifier,
};
use http::{HeaderMap, Method};
use kit::clock::MockClock;
use kit::ids::SeededIds;
use kit::problem::Problem;
use kit::routes::RouteInfo;
use kit::service::Worker;
use kit::testing::request;
use kit::token::{Claims, KeyRing, TokenKind};
use parking_lot::Mutex;
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
    pub bus: Arc<dyn Bus>,
    /// What the service does by itself; runs only where a test starts it.
    pub workers: Vec<Worker>,
    pub table: Vec<RouteInfo>,
    _bus_dir: tempfile::TempDir,
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
        let bus_dir = tempfile::tempdir().unwrap();
        let clock = MockClock::default();
        let bus = backends::bus::open(
            &format!("sqlite:{}", bus_dir.path().join("bus.db").display()),
            clock.shared(),
        )
        .await
        .unwrap();
        let keys =
            KeyRing::hs256(&"7b1f9c04e6a25d83f0c1b7a96e4d2385".into(), "schoolyard").unwrap();
        let roster = TestRoster::default();
        let built = posts::build(
            config(changes),
            posts::Deps {
                store: place.storage().await,
                bus: bus.clone(),
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
            _bus_dir: bus_dir,
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
            sent = sent.extension(who.0.clone());
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

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Answer {
    pub async fn of(response: axum::response::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = kit::testing::text(response).await;
        Self {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Status and code of a problem.
    pub fn problem(&self) -> (u16, &str) {
        (
            self.status,
            self.body["code"].as_str().unwrap_or("not a problem"),
        )
    }

    /// The names of the fields a problem speaks of.
    pub fn fields(&self) -> Vec<&str> {
        self.body["fields"]
            .as_object()
            .map(|fields| fields.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }
}

/// Somebody the gateway has recognised.
#[derive(Clone)]
pub struct Person(pub Arc<Verified>);

pub fn person(id: i64, roles: &[Role]) -> Person {
    Person(Arc::new(Verified {
        user: UserId(id),
        email: None,
        username: format!("user{id}"),
        roles: roles.iter().copied().collect::<Roles>(),
        session: uuid::Uuid::from_u128(1),
        expires_at: chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::days(40_000),
    }))
}

pub fn admin() -> Person {
    person(1, &[Role::Admin])
}

pub fn teacher() -> Person {
    person(2, &[Role::Teacher])
}

pub fn staff() -> Person {
    person(3, &[Role::Staff])
}

pub fn student() -> Person {
    person(4, &[Role::Student])
}

pub fn guardian() -> Person {
    person(5, &[Role::Guardian])
}

pub fn member() -> Person {
    person(6, &[])
}

/// Roles, and what a test adds to them.
#[derive(Clone, Default)]
pub struct TestRoster(Arc<Mutex<Relations>>);

#[derive(Default)]
struct Relations {
    duties: Vec<(UserId, Duty)>,
    reads: Vec<(UserId, Audience)>,
    writes: Vec<(UserId, Audience)>,
    down: bool,
}

impl TestRoster {
    pub fn duty(&self, who: &Person, duty: Duty) {
        self.0.lock().duties.push((who.0.user, duty));
    }

    pub fn reads(&self, who: &Person, audience: &str) {
        self.0
            .lock()
            .reads
            .push((who.0.user, audience.parse().unwrap()));
    }

    pub fn leaves(&self, who: &Person, audience: &str) {
        let gone = (who.0.user, audience.parse().unwrap());
        self.0.lock().reads.retain(|read| *read != gone);
    }

    pub fn writes(&self, who: &Person, audience: &str) {
        self.0
            .lock()
            .writes
            .push((who.0.user, audience.parse().unwrap()));
    }

    pub fn goes_down(&self) {
        self.0.lock().down = true;
    }

    fn up(&self) -> Result<(), Problem> {
        let down = self.0.lock().down;
        if down {
            Err(Problem::unavailable(
                "roster_unavailable",
                "The roster cannot be asked",
            ))
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl Roster for TestRoster {
    async fn readable(&self, who: &Verified) -> Result<Vec<Audience>, Problem> {
        self.up()?;
        let mut audiences = RolesOnly.readable(who).await?;
        audiences.extend(
            self.0
                .lock()
                .reads
                .iter()
                .filter(|(user, _)| *user == who.user)
                .map(|(_, audience)| *audience),
        );
        Ok(audiences)
    }

    async fn duties(&self, who: &Verified) -> Result<Vec<Duty>, Problem> {
        self.up()?;
        Ok(self
            .0
            .lock()
            .duties
            .iter()
            .filter(|(user, _)| *user == who.user)
            .map(|(_, duty)| *duty)
            .collect())
    }

    async fn writes_by_relation(
        &self,
        who: &Verified,
        audience: &Audience,
    ) -> Result<bool, Problem> {
        self.up()?;
        Ok(self.0.lock().writes.contains(&(who.user, *audience)))
    }
}
