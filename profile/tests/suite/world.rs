//! A school to test in: the service with its real router, a clock that stands, and people.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use backends::bus::Bus;
use backends::testing::TestDb;
use contracts::{Audience, Duty, Role, Roles, RolesOnly, Roster, UserId, Verified, Verifier};
use http::{HeaderMap, Method};
use kit::clock::MockClock;
use kit::ids::SeededIds;
use kit::problem::Problem;
use kit::routes::RouteInfo;
use kit::service::Worker;
use kit::testing::request;
use kit::token::KeyRing;
use parking_lot::Mutex;
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
    pub bus: Arc<dyn Bus>,
    /// What the service does by itself; runs only where a test starts it.
    pub workers: Vec<Worker>,
    pub table: Vec<RouteInfo>,
    _bus_dir: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        let db = backends::testing::sqlite().await;
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
        let config = kit::config::Config::load(&[profile::SECTION], None, Vec::new(), &[]);
        let built = profile::build(
            config.unwrap().section("profile").unwrap(),
            profile::Deps {
                db: (*db).clone(),
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
        self.store.account(who.0.user, account).await.unwrap();
    }

    /// What one person is told another is called, or why not.
    pub async fn name(&self, who: &Person, whom: &Person) -> Result<String, u16> {
        let answer = self
            .get(who, &format!("/api/profile/{}", whom.0.user))
            .await;
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

/// Events in the outbox as (type, data), oldest first.
pub async fn outbox(db: &backends::Db) -> Vec<(String, Value)> {
    let rows: Vec<(Vec<u8>,)> = db
        .query("SELECT payload FROM outbox ORDER BY seq")
        .all()
        .await
        .unwrap();
    rows.into_iter()
        .map(|(payload,)| {
            let mut value: Value = serde_json::from_slice(&payload).unwrap();
            (
                value["event_type"].as_str().unwrap().to_owned(),
                value["data"].take(),
            )
        })
        .collect()
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
    down: bool,
}

impl TestRoster {
    pub fn duty(&self, who: &Person, duty: Duty) {
        self.0.lock().duties.push((who.0.user, duty));
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
        RolesOnly.readable(who).await
    }

    async fn duties(&self, who: &Verified) -> Result<Vec<Duty>, Problem> {
        self.up()?;
        let relations = self.0.lock();
        let own = relations
            .duties
            .iter()
            .filter(|(user, _)| *user == who.user);
        Ok(own.map(|(_, duty)| *duty).collect())
    }

    async fn writes_by_relation(&self, _: &Verified, _: &Audience) -> Result<bool, Problem> {
        self.up()?;
        Ok(false)
    }
}
