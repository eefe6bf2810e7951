//! How each service is: asked at most once a second, however many want to know.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use kit::clock::SharedClock;
use kit::service::{Check, CheckError, Health, Ready, Worker};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::instances::Instances;
use crate::upstream::HttpUpstream;

/// How often the services are asked how they are while nobody wants to know.
const UPKEEP: Duration = Duration::from_secs(10);
/// How long a service elsewhere has to say how it is.
const PATIENCE: Duration = Duration::from_secs(1);

/// The state of a service, or of all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Everything works.
    Healthy,
    /// It works, with less.
    Degraded,
    /// It does not work.
    Down,
}

/// What one check of a service found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Checked {
    /// Whether it is reachable.
    pub ok: bool,
    /// How long the question took, in milliseconds.
    #[serde(default)]
    pub latency_ms: u64,
    /// Why it is not reachable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
}

/// What is known of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// How it is.
    pub status: Status,
    /// How many of it answer.
    pub instances: u32,
    /// Which version it says it is.
    pub version: Option<String>,
    /// How long it took to say so, in milliseconds.
    pub latency_ms: u64,
    /// When it was last found working.
    pub last_ok: Option<DateTime<Utc>>,
    /// What it needs, by name.
    pub checks: BTreeMap<String, Checked>,
}

/// Asks one service how it is.
#[derive(Debug)]
pub struct Probe {
    name: &'static str,
    source: Source,
    clock: SharedClock,
    last: tokio::sync::Mutex<Option<(DateTime<Utc>, State)>>,
}

/// Where the answer comes from.
#[derive(Debug)]
pub enum Source {
    /// This process.
    Local(Health),
    /// `/health/ready` and `/health` of the service.
    Http(HttpUpstream),
    /// The same of each of its instances.
    Catalog(Instances),
}

impl Probe {
    /// A probe of the service `name`.
    #[must_use]
    pub fn new(name: &'static str, source: Source, clock: SharedClock) -> Self {
        Self {
            name,
            source,
            clock,
            last: tokio::sync::Mutex::default(),
        }
    }

    /// The service.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether the gateway's own process cannot work without it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self.source, Source::Local(_))
    }

    /// How the service is: asked now, or within the last second.
    pub async fn state(&self) -> State {
        let mut last = self.last.lock().await;
        let now = self.clock.now();
        if let Some((at, state)) = &*last
            && (*at..*at + chrono::Duration::seconds(1)).contains(&now)
        {
            return state.clone();
        }
        let began = Instant::now();
        let mut state = match &self.source {
            Source::Local(health) => of_ready(health.ready().await, kit::VERSION),
            Source::Http(upstream) => ask(upstream.client(), upstream.base()).await,
            Source::Catalog(instances) => ask_all(instances, self.name).await,
        };
        state.latency_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let before = last.take().and_then(|(_, state)| state.last_ok);
        state.last_ok = if state.status == Status::Down {
            before
        } else {
            Some(now)
        };
        *last = Some((now, state.clone()));
        state
    }

    /// The same as an item of `/health/ready`.
    ///
    /// # Errors
    /// `service_down`.
    pub async fn check(&self) -> Result<(), CheckError> {
        match self.state().await.status {
            Status::Healthy | Status::Degraded => Ok(()),
            Status::Down => Err(CheckError::new(
                "service_down",
                format!("{} is down", self.name),
            )),
        }
    }
}

/// The checks of the gateway's own readiness: without a service of this process it is not ready, without one elsewhere it
/// is degraded.
pub fn checks(probes: &[Arc<Probe>]) -> Vec<Check> {
    let check = |probe: &Arc<Probe>| {
        let (name, is_local, probe) = (probe.name(), probe.is_local(), probe.clone());
        let ask = move || {
            let probe = probe.clone();
            async move { probe.check().await }
        };
        if is_local {
            Check::essential(name, ask)
        } else {
            Check::degrading(name, ask)
        }
    };
    probes.iter().map(check).collect()
}

fn of_ready(ready: Ready, version: &str) -> State {
    let checks = ready.checks.into_iter().map(|(name, found)| {
        let checked = Checked {
            ok: found.ok,
            latency_ms: found.latency_ms,
            error_code: found.error_code,
        };
        (name.to_owned(), checked)
    });
    State {
        status: of_word(ready.status),
        instances: 1,
        version: Some(version.to_owned()),
        latency_ms: 0,
        last_ok: None,
        checks: checks.collect(),
    }
}

/// The words of `/health/ready`; one that is not known does not mean that it works.
fn of_word(word: &str) -> Status {
    match word {
        "ready" => Status::Healthy,
        "degraded" => Status::Degraded,
        _ => Status::Down,
    }
}

#[derive(Deserialize)]
struct WireReady {
    status: String,
    #[serde(default)]
    checks: BTreeMap<String, Checked>,
}

#[derive(Deserialize)]
struct WireLive {
    version: String,
}

/// Keeps `last_ok` of the services fresh while nobody looks.
pub fn watch(probes: Arc<[Arc<Probe>]>) -> Worker {
    Worker::new("gateway probes", |stop: CancellationToken| async move {
        let mut turn = tokio::time::interval(UPKEEP);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(turn.tick()).await.is_some() {
            let all = join_all(probes.iter().map(|probe| probe.state()));
            if stop.run_until_cancelled(all).await.is_none() {
                break;
            }
        }
        Ok(())
    })
}

/// The instances together: as well as the one that is least well, of which the checks are.
async fn ask_all(instances: &Instances, service: &str) -> State {
    let bases = instances.of(service).await;
    let asked = bases.iter().map(|base| ask(instances.client(), base));
    let states = join_all(asked).await;
    let answering: u32 = states.iter().map(|state| state.instances).sum();
    let version = states.iter().find_map(|state| state.version.clone());
    // One that does not answer is out of the way soon, and the others do its work meanwhile.
    let worst = states.into_iter().max_by_key(|state| state.status);
    let mut state = worst.unwrap_or_else(State::unknown);
    if answering > 0 {
        state.status = state.status.min(Status::Degraded);
    }
    State {
        instances: answering,
        version,
        ..state
    }
}

impl State {
    fn unknown() -> Self {
        Self {
            status: Status::Down,
            instances: 0,
            version: None,
            latency_ms: 0,
            last_ok: None,
            checks: BTreeMap::new(),
        }
    }
}

async fn ask(client: &Client, base: &str) -> State {
    let get = async |path: &str| {
        let answer = client
            .get(format!("{base}{path}"))
            .timeout(PATIENCE)
            .send()
            .await?;
        answer.bytes().await
    };
    let (ready, live) = tokio::join!(get("/health/ready"), get("/health"));
    let ready = ready
        .ok()
        .and_then(|body| serde_json::from_slice::<WireReady>(&body).ok());
    let live = live
        .ok()
        .and_then(|body| serde_json::from_slice::<WireLive>(&body).ok());
    State {
        status: ready
            .as_ref()
            .map_or(Status::Down, |ready| of_word(&ready.status)),
        instances: u32::from(live.is_some()),
        version: live.map(|live| live.version),
        latency_ms: 0,
        last_ok: None,
        checks: ready.map(|ready| ready.checks).unwrap_or_default(),
    }
}
