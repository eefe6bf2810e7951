//! A start whose store cannot be used yet: the process is alive, says what it lacks and where to look, and tries again.

use std::time::Duration;

use anyhow::Context;
use kit::SystemClock;
use kit::problem::Problem;
use kit::server::{Edge, Limits, Server};
use kit::service::{Check, CheckError, Health};
use kit::shutdown::Shutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::assembly::{self, Assembly, Host, Plan};
use crate::data_dir::DataDir;
use crate::settings::{SERVICES, Target};

/// A start that takes longer than this is answered for.
const SOON: Duration = Duration::from_secs(1);
/// Between two tries, growing from the first to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// Builds what the plan says, as often as a store cannot be used: the server may not be there yet, or a password may be set
/// right. Meanwhile the listener answers that it is alive and not ready. None: it was told to stop.
///
/// # Errors
/// What does not pass by waiting.
pub async fn build(
    plan: &Plan,
    data: Option<&DataDir>,
    listener: TcpListener,
    shutdown: &Shutdown,
) -> anyhow::Result<Option<(Assembly, TcpListener)>> {
    let (lacks, lacking) = watch::channel(None);
    let building = until_built(plan, data, &lacks);
    tokio::pin!(building);
    tokio::select! {
        built = &mut building => return Ok(Some((built?, listener))),
        () = shutdown.soft.cancelled() => return Ok(None),
        () = sleep(SOON) => {}
    }
    // the same door twice: who knocks in between is answered by the one who comes after
    let door = listener.into_std().context("the listener")?;
    let meanwhile = door.try_clone().context("the listener")?;
    let stop = CancellationToken::new();
    let answering =
        server(plan, lacking).run(TcpListener::from_std(meanwhile)?, Vec::new(), stop.clone());
    let answering = tokio::spawn(answering);
    let built = tokio::select! {
        built = &mut building => Some(built),
        () = shutdown.soft.cancelled() => None,
    };
    stop.cancel();
    answering.await.context("answering at the start")??;
    Ok(match built {
        Some(built) => Some((built?, TcpListener::from_std(door)?)),
        None => None,
    })
}

async fn until_built(
    plan: &Plan,
    data: Option<&DataDir>,
    lacks: &watch::Sender<Option<&'static str>>,
) -> anyhow::Result<Assembly> {
    let (mut pause, longest) = PAUSES;
    loop {
        let error = match assembly::build(plan.clone(), data, Host::system()).await {
            Ok(assembly) => return Ok(assembly),
            Err(error) => error,
        };
        let Some(setting) = lacking(plan, &error) else {
            return Err(error);
        };
        lacks.send_replace(Some(setting));
        tracing::warn!(
            setting,
            variable = format!(
                "{}{}",
                kit::config::PREFIX,
                setting.to_uppercase().replace('.', "__")
            ),
            error = format!("{error:#}"),
            retry_in_ms = pause.as_millis() as u64,
            "a store cannot be used; this is tried again, and until then everything is 503"
        );
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

/// The setting of the store that cannot be used at the moment; none: waiting does not help. Where everything runs in one
/// process, on files, whoever starts it is there to read why it ends.
fn lacking(plan: &Plan, error: &anyhow::Error) -> Option<&'static str> {
    if plan.target == Target::All {
        return None;
    }
    let passes = |cause: &(dyn std::error::Error + 'static)| {
        let store: Option<&backends::Error> = cause.downcast_ref();
        store.is_some_and(backends::Error::is_transient)
    };
    if !error.chain().any(passes) {
        return None;
    }
    let said: Vec<String> = error.chain().map(ToString::to_string).collect();
    let stores = [
        ("auth", "auth.store"),
        ("profile", "profile.store"),
        ("posts", "posts.store"),
        ("feed", "feed.store"),
    ];
    stores
        .into_iter()
        .find(|(service, setting)| said.iter().any(|said| said == service || said == setting))
        .map(|(_, setting)| setting)
}

/// What answers meanwhile.
fn server(plan: &Plan, lacking: watch::Receiver<Option<&'static str>>) -> Server {
    let name = SERVICES
        .into_iter()
        .find(|service| plan.target.runs(service))
        .unwrap_or("gateway");
    let check = Check::essential("store", move || {
        let setting = *lacking.borrow();
        std::future::ready(Err(match setting {
            Some(setting) => {
                CheckError::new("store_unavailable", "since the start").of_setting(setting)
            }
            None => CheckError::new("starting", "the store is being opened"),
        }))
    });
    let health = Health::new(name, vec![check], SystemClock::shared());
    let router = health.router().merge(health.api_router()).fallback(away);
    let limits = Limits {
        shutdown_delay: Duration::ZERO,
        ..plan.server.limits()
    };
    Server::new(
        name,
        router,
        Edge {
            limits,
            ..Edge::system()
        },
    )
}

async fn away() -> Problem {
    Problem::unavailable(
        "store_unavailable",
        "the store cannot be reached at the moment",
    )
}
