//! `config print|check|init`.

use kit::ids::{Ids, RandomIds};

use super::{Failure, say};
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
        ConfigCommand::Init => {
            init();
            Ok(())
        }
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

fn init() {
    let ids = RandomIds::shared(kit::SystemClock::shared());
    let secret = |ids: &dyn Ids| hex::encode(ids.secret());
    let feed = secret(&*ids);
    say("# Settings of schoolyard. Keep this file readable by yourself only: chmod 600 .env");
    say("# `schoolyard config print` shows every other setting with its default.");
    say("");
    say(
        "# Signs the tokens of everybody who signs in. Every service of one deployment has the same.",
    );
    say(format_args!("SECRET_KEY={}", secret(&*ids)));
    say("");
    say(
        "# Only where services run alone: what the feed proves itself to auth with, and what auth knows it by.",
    );
    say(format_args!("#SCHOOLYARD_PEERS__CREDENTIAL={feed}"));
    say(format_args!(
        "#SCHOOLYARD_AUTH__SERVICE_CREDENTIALS=feed:{feed}"
    ));
}
