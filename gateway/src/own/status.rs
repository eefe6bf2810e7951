//! `GET /api/v1/services/status` (spec/operations.md section 2).

use std::collections::BTreeMap;

use axum::extract::State;
use chrono::{DateTime, Utc};
use contracts::Role;
use contracts::access::Visitor;
use futures_util::future::join_all;
use kit::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::Own;
use crate::probe::{self, Checked, Status};

/// How the services are.
#[derive(Debug, Serialize, ToSchema)]
pub struct Services {
    /// `healthy` when all are; `down` when all are; else `degraded`.
    status: Status,
    /// Each service.
    services: Vec<ServiceStatus>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ServiceStatus {
    /// Its name.
    name: &'static str,
    /// How it is.
    status: Status,
    /// For admins only.
    #[serde(flatten)]
    details: Option<Details>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Details {
    /// How many of it answer.
    instances: u32,
    /// Which version it is, as far as it said.
    version: Option<String>,
    /// How long it took to answer, in milliseconds.
    latency_ms: u64,
    /// When it was last found working.
    last_ok: Option<DateTime<Utc>>,
    /// What it needs, by name.
    checks: BTreeMap<String, Checked>,
}

pub(super) async fn show(Visitor(caller): Visitor, State(own): State<Own>) -> Json<Services> {
    let all_fields = caller.is_some_and(|caller| caller.is(Role::Admin));
    let asked = own
        .probes
        .iter()
        .map(|probe| async move { (probe.name(), probe.state().await) });
    let services: Vec<_> = join_all(asked)
        .await
        .into_iter()
        .map(|(name, state)| one(name, state, all_fields))
        .collect();
    Json(Services {
        status: overall(&services),
        services,
    })
}

fn one(name: &'static str, state: probe::State, all_fields: bool) -> ServiceStatus {
    let details = all_fields.then_some(Details {
        instances: state.instances,
        version: state.version,
        latency_ms: state.latency_ms,
        last_ok: state.last_ok,
        checks: state.checks,
    });
    ServiceStatus {
        name,
        status: state.status,
        details,
    }
}

fn overall(services: &[ServiceStatus]) -> Status {
    let all = |status| services.iter().all(|service| service.status == status);
    if all(Status::Healthy) {
        Status::Healthy
    } else if all(Status::Down) {
        Status::Down
    } else {
        Status::Degraded
    }
}
