//! `config print|check|init`.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context;
use kit::ids::RandomIds;

use super::{Failure, environment, say};
use crate::assembly;
use crate::cli::ConfigCommand;
use crate::settings::{Settings, Target};

/// Does what was asked.
///
/// # Errors
/// Exit code 2 when a setting is wrong.
pub async fn run(command: &ConfigCommand, env: Vec<(String, String)>) -> Result<(), Failure> {
    match command {
        ConfigCommand::Print => print(env),
        ConfigCommand::Check { services } => check(services, env),
        ConfigCommand::Init { missing } => init(missing.as_deref()),
    }
}

fn print(env: Vec<(String, String)>) -> Result<(), Failure> {
    let settings = Settings::load(env, &Target::All, false)?;
    say(format_args!(
        "# data directory: {}",
        settings.data.display()
    ));
    let entries = settings.config.entries();
    let width = entries
        .iter()
        .map(|entry| entry.name.len() + entry.value.len() + 3)
        .filter(|width| *width < 60)
        .max()
        .unwrap_or(0);
    for entry in entries {
        let setting = format!("{} = {}", entry.name, entry.value);
        say(format_args!("{setting:width$}  # {}", entry.origin));
    }
    Ok(())
}

fn check(services: &[String], env: Vec<(String, String)>) -> Result<(), Failure> {
    let target = Target::of(services)?;
    let settings = Settings::load(env, &target, false)?;
    assembly::Plan::of(&settings, &target)?;
    let what = if services.is_empty() {
        "everything in one process".to_owned()
    } else {
        services.join(", ")
    };
    say(format_args!("the settings are fine for {what}"));
    Ok(())
}

/// Prints the file, or what another one lacks. A file that standard output goes to is made its owner's only, before the first secret
/// is in it.
fn init(missing: Option<&Path>) -> Result<(), Failure> {
    let ids = RandomIds::shared(kit::SystemClock::shared());
    let text = match missing {
        None => environment::fresh(&*ids),
        Some(path) => environment::missing(&read(path)?, &*ids),
    };
    let mut out = std::io::stdout().lock();
    keep_private(&out)
        .and_then(|()| out.write_all(text.as_bytes()))
        .and_then(|()| out.flush())
        .context("the settings cannot be written")
        .map_err(Failure::Run)
}

fn read(path: &Path) -> Result<String, Failure> {
    let text = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    text.with_context(|| format!("{} cannot be read", path.display()))
        .map_err(Failure::Run)
}

fn keep_private(out: &impl AsFd) -> std::io::Result<()> {
    let file = File::from(out.as_fd().try_clone_to_owned()?);
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}
