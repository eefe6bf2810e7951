//! `healthcheck`: for containers without a shell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::Context;

use super::{Failure, say};
use crate::cli::Healthcheck;
use crate::settings::{Settings, Target};

/// Asks and says what came.
///
/// # Errors
/// Exit code 1 when the server is not healthy or does not answer within 3 s.
pub async fn run(command: &Healthcheck, env: Vec<(String, String)>) -> Result<(), Failure> {
    let url = match &command.url {
        Some(url) => url.clone(),
        None => own(env)?,
    };
    let client = kit::peer::client().map_err(Failure::Run)?;
    let answer = client
        .get(&url)
        .timeout(Duration::from_secs(3))
        .send()
        .await;
    let answer = answer
        .with_context(|| format!("{url} does not answer"))
        .map_err(Failure::Run)?;
    if !answer.status().is_success() {
        return Err(Failure::Run(anyhow::anyhow!(
            "{url} answers {}",
            answer.status()
        )));
    }
    say("healthy");
    Ok(())
}

/// The address a server with these settings answers on, from this machine.
fn own(env: Vec<(String, String)>) -> Result<String, Failure> {
    let settings = Settings::load(env, &Target::All, false)?;
    let mut listen = settings.section::<kit::server::Config>("server")?.listen;
    if listen.ip().is_unspecified() {
        listen.set_ip(match listen.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(format!("http://{listen}/health"))
}
