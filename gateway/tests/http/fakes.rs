//! A fake auth and the fake service `posts`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::extract::{FromRequestParts, State};
use chrono::{DateTime, Utc};
use contracts::access::{Anyone, ClientAddress};
use contracts::clients::IdentityHeaders;
use contracts::{Decision, Identity, Presented, Role, Roles, UserId, Verified};
use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, Method, Uri};
use kit::Json;
use kit::problem::Problem;
use kit::routes::{Access, Guard, GuardKind, Rate, RouteSet, Routes};
use serde_json::{Value, json};
use uuid::Uuid;

pub const SESSION: Uuid = Uuid::from_u128(0x5e55_0000_0000_7000_8000_0000_0000_0001);

/// Knows the tokens `of-<id>` and the cookie `sy=<id>`; answers a fresh token for a cookie.
#[derive(Default)]
pub struct FakeAuth {
    pub asked: AtomicUsize,
    pub broken: parking_lot::Mutex<Option<fn() -> Problem>>,
}

#[async_trait]
impl Identity for FakeAuth {
    async fn validate(&self, presented: &Presented<'_>) -> Result<Decision, Problem> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if let Some(broken) = *self.broken.lock() {
            return Err(broken());
        }
        let bearers: Vec<&str> = presented
            .headers
            .get_all(AUTHORIZATION)
            .iter()
            .map(|v| v.to_str().unwrap())
            .collect();
        let cookie = presented
            .headers
            .get(COOKIE)
            .and_then(|v| v.to_str().unwrap().strip_prefix("sy="));
        let id = match (&bearers[..], cookie) {
            ([], None) if presented.anonymous => return Ok(Decision::Anonymous),
            ([], None) => return Err(Problem::unauthorized("No authorization header")),
            ([], Some(id)) => id.parse(),
            ([one], _) => one.strip_prefix("Bearer of-").unwrap_or_default().parse(),
            _ => return Err(Problem::unauthorized("Invalid authorization format")),
        };
        let id: i64 = id.map_err(|_| Problem::unauthorized("Invalid token"))?;
        let authorization = HeaderValue::try_from(format!("Bearer of-{id}")).unwrap();
        let who = Arc::new(person(id));
        Ok(Decision::Identified {
            headers: Arc::new(IdentityHeaders::of(&who)?),
            who,
            authorization,
        })
    }
}

pub fn person(id: i64) -> Verified {
    let role = if id == 1 { Role::Admin } else { Role::Student };
    Verified {
        user: UserId(id),
        email: (id != 7).then(|| format!("p{id}@école.example")),
        username: format!("p{id}"),
        roles: [role].into_iter().collect::<Roles>(),
        session: SESSION,
        expires_at: DateTime::<Utc>::MAX_UTC,
    }
}

/// Stands where a person is required and refuses nobody, so that a test sees what the gateway alone lets through.
pub struct Trusting;

impl Guard for Trusting {
    const NAME: &'static str = "Trusting";
    const KIND: GuardKind = GuardKind::Person;
}

impl<S: Send + Sync> FromRequestParts<S> for Trusting {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// A service's guard as one that no gateway may route to.
pub struct OtherService;

impl Guard for OtherService {
    const NAME: &'static str = "OtherService";
    const KIND: GuardKind = GuardKind::Service;
}

impl<S: Send + Sync> FromRequestParts<S> for OtherService {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// What a service saw of a request.
pub async fn echo<G>(
    _: G,
    State(calls): State<Arc<AtomicUsize>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    extensions: Extensions,
) -> Json<Value> {
    calls.fetch_add(1, Ordering::SeqCst);
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    Json(json!({
        "method": method.as_str(),
        "uri": uri.to_string(),
        "headers": headers,
        "verified": extensions.get::<Arc<Verified>>().map(|who| who.user.0),
        "client": extensions.get::<ClientAddress>().and_then(|client| client.0),
    }))
}

async fn length(_: Anyone, body: axum::body::Bytes) -> Json<usize> {
    Json(body.len())
}

/// The routes of the fake service `posts`.
pub fn posts(calls: &Arc<AtomicUsize>) -> RouteSet {
    let general = Rate::General;
    Routes::new("posts")
        .route(
            Method::GET,
            "/posts/public",
            Access::Public,
            general,
            echo::<Anyone>,
        )
        .route(
            Method::GET,
            "/posts/optional",
            Access::Optional,
            general,
            echo::<Anyone>,
        )
        .route(
            Method::GET,
            "/posts/protected",
            Access::Authenticated,
            general,
            echo::<Trusting>,
        )
        .route(
            Method::POST,
            "/posts/protected",
            Access::Authenticated,
            general,
            echo::<Trusting>,
        )
        .route(
            Method::GET,
            "/posts/{id}",
            Access::Public,
            general,
            echo::<Anyone>,
        )
        .route(
            Method::GET,
            "/posts/hook",
            Access::Public,
            Rate::Exempt,
            echo::<Anyone>,
        )
        .route(
            Method::POST,
            "/posts/length",
            Access::Public,
            general,
            length,
        )
        .any("/posts/any", Access::Public, general, echo::<Anyone>)
        .route(
            Method::GET,
            "/internal/posts/export",
            Access::Internal,
            general,
            echo::<OtherService>,
        )
        .build(calls.clone())
        .unwrap()
}
