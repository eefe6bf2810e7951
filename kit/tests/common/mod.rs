//! Guards and a service without meaning, for the tests of kit.

use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use kit::routes::{Guard, GuardKind};
use kit::server::{Edge, Server};
use kit::{MockClock, Problem, SeededIds};

/// Lets everybody in.
pub struct Open;
/// Lets in whoever says who he is, by the header `x-person`.
pub struct Person(pub i64);
/// Lets in services.
pub struct Machine;

impl Guard for Open {
    const NAME: &'static str = "open";
    const KIND: GuardKind = GuardKind::Open;
}
impl Guard for Person {
    const NAME: &'static str = "person";
    const KIND: GuardKind = GuardKind::Person;
}
impl Guard for Machine {
    const NAME: &'static str = "machine";
    const KIND: GuardKind = GuardKind::Service;
}

impl<S: Sync> FromRequestParts<S> for Open {
    type Rejection = Problem;
    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self)
    }
}
impl<S: Sync> FromRequestParts<S> for Machine {
    type Rejection = Problem;
    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self)
    }
}
impl<S: Sync> FromRequestParts<S> for Person {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let id = parts
            .headers
            .get("x-person")
            .and_then(|v| v.to_str().ok()?.parse().ok());
        let id = id.ok_or_else(|| Problem::unauthorized("sign in first"))?;
        kit::server::note_user(id);
        Ok(Self(id))
    }
}

/// An edge whose clock stands still and whose ids are always the same.
pub fn edge() -> Edge {
    let clock = MockClock::default().shared();
    let mut edge = Edge::new(
        clock.clone(),
        SeededIds::shared(1, clock),
        kit::metrics::Metrics::new(),
    );
    edge.limits.time = Duration::from_secs(5);
    edge
}

/// A server named `test` around an app.
pub fn server(app: impl Into<kit::routes::Direct>) -> Server {
    Server::new("test", app, edge())
}
