//! `admin create`: through the control socket when a server runs, else on the data itself.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Failure, say};
use crate::assembly;
use crate::cli::Admin;
use crate::control::Control;
use crate::data_dir::DataDir;
use crate::settings::{Settings, Target};

/// The order that travels over the control socket.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAdmin {
    /// The address to sign in with.
    pub email: String,
    /// The user name.
    pub username: String,
    /// The password, as typed.
    pub password: String,
}

/// Its answer.
#[derive(Debug, Serialize, Deserialize)]
pub struct MadeAdmin {
    /// The new account.
    pub id: i64,
}

/// Does what was asked.
///
/// # Errors
/// Exit code 1 when the administrator cannot be made, with the reason.
pub async fn run(command: &Admin, env: Vec<(String, String)>) -> Result<(), Failure> {
    let Admin::Create {
        email,
        username,
        dry_run,
    } = command;
    let target = if env
        .iter()
        .any(|(name, _)| name == "DATABASE_URL" || name == "DATABASE_URL_FILE")
    {
        Target::Only(vec!["auth".to_owned()])
    } else {
        Target::All
    };
    let settings = Settings::load(env, &target, false)?;
    let username = username
        .clone()
        .unwrap_or_else(|| email.split('@').next().unwrap_or_default().to_owned());
    let mut control = Control::connect(&settings.data)
        .await
        .map_err(Failure::Run)?;
    if *dry_run {
        let how = if control.is_some() {
            "through the running server"
        } else {
            "in the data itself, since no server runs"
        };
        say(format_args!(
            "would make the administrator {username} <{email}> {how}"
        ));
        return Ok(());
    }
    let password = password()?;
    let order = NewAdmin {
        email: email.clone(),
        username: username.clone(),
        password: password.expose_secret().to_owned(),
    };
    let made = match &mut control {
        Some(control) => control.order("/admin", &order).await?,
        None => alone(&settings, &target, order).await?,
    };
    say(format_args!(
        "administrator {username} <{email}> made, id {}",
        made.id
    ));
    Ok(())
}

async fn alone(
    settings: &Settings,
    target: &Target,
    order: NewAdmin,
) -> Result<MadeAdmin, Failure> {
    let data = DataDir::lock(&settings.data)?;
    let accounts = assembly::accounts(settings, target, &data).await?;
    Ok(accounts.make_admin(order).await?)
}

/// One line of standard input.
fn password() -> Result<SecretString, Failure> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        let mut stderr = std::io::stderr();
        let _ = write!(stderr, "password (it is shown as you type): ");
        let _ = stderr.flush();
    }
    let mut line = String::new();
    stdin
        .lock()
        .read_line(&mut line)
        .context("the password cannot be read from standard input")
        .map_err(Failure::Run)?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::Usage(anyhow::anyhow!(
            "no password on standard input; for example: schoolyard admin create --email you@school.example < password.txt"
        )));
    }
    Ok(password.to_owned().into())
}
