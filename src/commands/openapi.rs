//! `openapi`: the API document, without any data or server.

use anyhow::Context;

use super::{Failure, say};
use crate::assembly::upstreams;
use crate::cli::Openapi;
use crate::settings::SettingsError;

/// Prints it.
///
/// # Errors
/// Exit code 2 for a service there is not.
pub fn run(command: &Openapi) -> Result<(), Failure> {
    let names: Vec<&str> = match &command.service {
        None => upstreams::SERVICES.to_vec(),
        Some(name) => match upstreams::SERVICES.into_iter().find(|known| known == name) {
            Some(known) => vec![known],
            None => return Err(SettingsError::UnknownService { name: name.clone() }.into()),
        },
    };
    let apis = names
        .into_iter()
        .map(upstreams::api)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let described: Vec<_> = apis.iter().map(|api| (api.service, &api.openapi)).collect();
    let documents = gateway::documents(&described, gateway::DocsAccess::Public)?;
    let document = match &described[..] {
        [(name, _)] => documents.of(name).context("the document is missing")?,
        _ => documents.merged(),
    };
    let value: serde_json::Value =
        serde_json::from_slice(&document.json()).context("the document is no JSON")?;
    say(format_args!("{value:#}"));
    Ok(())
}
