//! Is it alive, is it ready?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::check::Check;
use crate::clock::SharedClock;
use crate::extract::Json;
use crate::routes::Marked;
use crate::server::{Matched, draining};

const LONGEST_CHECK: Duration = Duration::from_secs(1);

/// The health of a service or of a process. Clones share what was found last.
#[derive(Clone)]
pub struct Health {
    name: &'static str,
    checks: Arc<[Check]>,
    clock: SharedClock,
    last: Arc<tokio::sync::Mutex<Option<Found>>>,
}

#[derive(Clone)]
struct Found {
    at: DateTime<Utc>,
    ready: Ready,
}

/// What `/health` answers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Live {
    /// Always `healthy`: it answers.
    pub status: &'static str,
    /// The service.
    pub service: &'static str,
    /// The program's version.
    pub version: &'static str,
    /// The present instant.
    pub timestamp: DateTime<Utc>,
}

/// What `/health/ready` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Ready {
    /// `ready`, `degraded` (200 both), `unready` or `stopping` (503 both).
    pub status: &'static str,
    /// Each check by its name.
    pub checks: BTreeMap<&'static str, Checked>,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Checked {
    /// Whether it is reachable.
    pub ok: bool,
    /// How long the question took, in milliseconds.
    pub latency_ms: u64,
    /// Why it is not reachable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// The setting to look at, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting: Option<&'static str>,
}

impl Ready {
    /// 200 or 503.
    #[must_use]
    pub fn http_status(&self) -> StatusCode {
        match self.status {
            "ready" | "degraded" => StatusCode::OK,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Health {
    /// The health of `name`, which needs what `checks` ask for.
    #[must_use]
    pub fn new(name: &'static str, checks: Vec<Check>, clock: SharedClock) -> Self {
        Self {
            name,
            checks: checks.into(),
            clock,
            last: Arc::default(),
        }
    }

    /// The name of what it is the health of.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// That it is alive. Touches no store.
    #[must_use]
    pub fn live(&self) -> Live {
        Live {
            status: "healthy",
            service: self.name,
            version: crate::VERSION,
            timestamp: self.clock.now(),
        }
    }

    /// Whether everything it needs is reachable: all checks at once, each at most 1 s, kept for 1 s of the clock.
    /// However many ask at once, each check is asked once.
    pub async fn ready(&self) -> Ready {
        let mut last = self.last.lock().await;
        let now = self.clock.now();
        if let Some(found) = last.as_ref()
            && (found.at..found.at + chrono::Duration::seconds(1)).contains(&now)
        {
            return found.ready.clone();
        }
        let ready = self.ask().await;
        *last = Some(Found {
            at: now,
            ready: ready.clone(),
        });
        ready
    }

    async fn ask(&self) -> Ready {
        let asked = join_all(self.checks.iter().map(|check| async move {
            let began = Instant::now();
            let error = match tokio::time::timeout(LONGEST_CHECK, check.ask()).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => {
                    let setting = error.setting.or(check.setting);
                    // without it the service works, with less: as every service does for a moment after its start
                    if check.essential {
                        tracing::warn!(
                            check = check.name,
                            code = error.code,
                            detail = error.detail,
                            setting,
                            "check failed"
                        );
                    } else {
                        tracing::info!(
                            check = check.name,
                            code = error.code,
                            detail = error.detail,
                            setting,
                            "check failed, going on with less"
                        );
                    }
                    Some((error.code, setting))
                }
                Err(_) => {
                    tracing::warn!(
                        check = check.name,
                        setting = check.setting,
                        "check took too long"
                    );
                    Some(("timeout".to_owned(), check.setting))
                }
            };
            let latency_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            (
                check,
                Checked {
                    ok: error.is_none(),
                    latency_ms,
                    setting: error.as_ref().and_then(|(_, setting)| *setting),
                    error_code: error.map(|(code, _)| code),
                },
            )
        }))
        .await;
        let missing = |essential| {
            asked
                .iter()
                .any(|(check, found)| !found.ok && check.essential == essential)
        };
        let status = match (missing(true), missing(false)) {
            (true, _) => "unready",
            (false, true) => "degraded",
            (false, false) => "ready",
        };
        Ready {
            status,
            checks: asked
                .into_iter()
                .map(|(check, found)| (check.name, found))
                .collect(),
        }
    }

    /// Answers `GET /health` and `GET /health/ready`, logged at debug only.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/health", get(self.quiet("/health", live)))
            .route("/health/ready", get(self.quiet("/health/ready", ready)))
            .with_state(self.clone())
    }

    /// Answers `GET /api/<service>/health`, as `/health` does.
    pub fn api_router(&self) -> Router {
        let path = format!("/api/{}/health", self.name);
        Router::new()
            .route(&path, get(self.quiet(&path, live)))
            .with_state(self.clone())
    }

    fn quiet<H>(&self, path: &str, handler: H) -> Marked<H> {
        let matched = Matched {
            service: self.name,
            template: path.to_owned(),
            quiet: true,
        };
        Marked::new(handler, matched, Some(0))
    }
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health")
            .field("name", &self.name)
            .field("checks", &self.checks)
            .finish_non_exhaustive()
    }
}

async fn live(State(health): State<Health>) -> Json<Live> {
    Json(health.live())
}

async fn ready(State(health): State<Health>) -> Response {
    let mut ready = health.ready().await;
    if draining() {
        ready.status = "stopping";
    }
    (ready.http_status(), Json(ready)).into_response()
}
