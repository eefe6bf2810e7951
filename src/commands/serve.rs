//! `serve`: everything in one process, or the named services.

mod starting;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use kit::server::{Edge, Server};
use kit::service::Worker;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Failure, say};
use crate::assembly::{Assembly, Plan};
use crate::cli::Serve;
use crate::data_dir::DataDir;
use crate::settings::{Settings, SettingsError, Target};
use crate::{control, demo};

/// Serves until told to stop.
///
/// # Errors
/// Exit code 2 for settings, 1 for everything else.
pub async fn run(command: &Serve, env: Vec<(String, String)>) -> Result<(), Failure> {
    let target = Target::of(&command.services)?;
    if command.demo && target != Target::All {
        return Err(Failure::Usage(anyhow::anyhow!(
            "--demo fills a whole school; it goes with `serve` without services"
        )));
    }
    let settings = Settings::load(env, &target, command.demo)?;
    let log: kit::telemetry::Config = settings.section("log")?;
    let _log = kit::telemetry::init(log.format, &log.filter)
        .map_err(|error| SettingsError::unfit("log.filter", error.to_string()))?;
    let plan = Plan::of(&settings, &target)?;
    let traces = traces(&settings, &target)?;
    let data = (target == Target::All)
        .then(|| DataDir::lock(&settings.data))
        .transpose()?;
    let listener = listen("server.listen", plan.server.listen).await?;
    let own_metrics = match plan.metrics_listen {
        Some(address) => Some(listen("server.metrics_listen", address).await?),
        None => None,
    };
    let shutdown = kit::shutdown::on_signals().into();
    let built = starting::build(&plan, data.as_ref(), listener, &shutdown).await?;
    let Some((mut assembly, listener)) = built else {
        return Ok(());
    };
    assembly.workers.extend(traces);
    if let (Some(listener), Some((_, router))) = (own_metrics, assembly.metrics.take()) {
        assembly.workers.push(metrics_worker(listener, router));
    }
    let doors = match assembly.tls.take() {
        Some((tls, edge)) => {
            let listener = listen("auth.tls_listen", tls.listen).await?;
            vec![tls.door(listener, edge)]
        }
        None => Vec::new(),
    };
    if let Some(data) = &data {
        let orders = std::mem::take(&mut assembly.orders).into_router();
        assembly
            .workers
            .push(control::worker(data.file(control::NAME), orders)?);
    }
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    let seed = command.demo.then_some(command.seed);
    announce(address, &assembly, data.as_ref(), seed, &target).await?;
    let Assembly {
        server, workers, ..
    } = assembly;
    Ok(server.run_with(listener, doors, workers, shutdown).await?)
}

/// What tells traces to a collector, where one is named.
fn traces(settings: &Settings, target: &Target) -> Result<Option<Worker>, SettingsError> {
    let shown = match target {
        Target::All => "schoolyard".to_owned(),
        Target::Only(names) => names.join("+"),
    };
    let clock = kit::SystemClock::shared();
    let ids = kit::RandomIds::shared(clock.clone());
    let config = settings.section("otlp")?;
    kit::trace::start(&config, &shown, clock, ids).map_err(|error| {
        // it begins with the setting
        let said = error.to_string();
        let (name, what) = said.split_once(": ").unwrap_or(("otlp", &said));
        SettingsError::unfit(name, what)
    })
}

async fn listen(setting: &str, address: SocketAddr) -> Result<TcpListener, SettingsError> {
    TcpListener::bind(address).await.map_err(|error| {
        let variable = format!("{}{}", kit::config::PREFIX, setting.to_uppercase().replace('.', "__"));
        SettingsError::unfit(setting, format!("cannot listen on {address}: {error}; set {variable} to another address, for example 0.0.0.0:8081"))
    })
}

/// Says where it runs and who gets in, before the first request: on standard output, whatever the log does.
async fn announce(
    address: SocketAddr,
    assembly: &Assembly,
    data: Option<&DataDir>,
    seed: Option<u64>,
    target: &Target,
) -> anyhow::Result<()> {
    let shown = match address.ip() {
        ip if ip.is_unspecified() => {
            SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), address.port())
        }
        _ => address,
    };
    let logins = match (data, &assembly.accounts, seed) {
        (Some(data), Some(accounts), Some(seed)) => Some(
            demo::fill(&assembly.server, accounts, data, seed)
                .await
                .context("the demo school")?,
        ),
        _ => None,
    };
    match target {
        Target::All => say(format_args!(
            "schoolyard runs at http://{shown}   API: http://{shown}/api/docs/"
        )),
        Target::Only(names) => say(format_args!(
            "schoolyard runs {} at http://{shown}",
            names.join(", ")
        )),
    }
    if let Some(data) = data {
        say(format_args!("data: {}", data.path().display()));
    }
    if let Some(logins) = logins {
        say(logins);
    } else if let (Some(accounts), Some(data)) = (&assembly.accounts, data)
        && accounts.none_yet()
    {
        say(no_admin(data.path()));
    }
    Ok(())
}

fn no_admin(data: &Path) -> String {
    format!(
        "nobody can sign in yet: run `schoolyard admin create --email you@school.example`,\nor POST /api/auth/setup with the token in {}",
        data.join("setup-token").display()
    )
}

fn metrics_worker(listener: TcpListener, router: axum::Router) -> Worker {
    Worker::new("metrics", move |stop: CancellationToken| async move {
        Server::new("metrics", router, Edge::system())
            .run(listener, Vec::new(), stop)
            .await
    })
}
