//! What each command does, and how a command ends.

pub mod admin;
pub mod config;
pub mod dlq;
pub mod environment;
pub mod feed;
pub mod healthcheck;
pub mod openapi;
pub mod preflight;
pub mod serve;

use std::fmt;
use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::data_dir::DataDirError;
use crate::settings::SettingsError;

/// How a command that did not succeed ends.
#[derive(Debug)]
pub enum Failure {
    /// Wrong use or wrong settings: exit code 2.
    Usage(anyhow::Error),
    /// It failed while running: exit code 1.
    Run(anyhow::Error),
}

impl Failure {
    /// The exit code.
    #[must_use]
    pub fn code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Run(_) => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Failure {
    /// The message with its causes, each once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(error) | Self::Run(error)) = self;
        let mut said = error.to_string();
        write!(f, "{said}")?;
        for cause in error.chain().skip(1).map(ToString::to_string) {
            if !said.contains(&cause) {
                write!(f, ": {cause}")?;
                said = cause;
            }
        }
        Ok(())
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::Usage(error.into())
    }
}

impl From<kit::config::ConfigError> for Failure {
    fn from(error: kit::config::ConfigError) -> Self {
        Self::Usage(error.into())
    }
}

impl From<DataDirError> for Failure {
    fn from(error: DataDirError) -> Self {
        Self::Run(error.into())
    }
}

impl From<kit::Problem> for Failure {
    /// In the words for people: the detail, and what is wrong with which field.
    fn from(problem: kit::Problem) -> Self {
        let fields: Vec<_> = problem
            .fields()
            .iter()
            .map(|(name, message)| format!("{name}: {message}"))
            .collect();
        if fields.is_empty() {
            return Self::Run(anyhow::anyhow!("{}", problem.detail()));
        }
        Self::Run(anyhow::anyhow!("{}", fields.join("; ")))
    }
}

impl From<anyhow::Error> for Failure {
    /// Wrong settings stay wrong settings, however deep they were found.
    fn from(error: anyhow::Error) -> Self {
        let error = match error.downcast::<kit::Problem>() {
            Ok(problem) => return problem.into(),
            Err(error) => error,
        };
        let settings = error.chain().any(|cause| {
            cause.is::<SettingsError>()
                || cause.is::<kit::config::ConfigError>()
                || matches!(
                    cause.downcast_ref(),
                    Some(backends::Error::Configuration(_))
                )
                || matches!(
                    cause.downcast_ref(),
                    Some(backends::bus::BusError::Configuration(_))
                )
        });
        if settings {
            Self::Usage(error)
        } else {
            Self::Run(error)
        }
    }
}

/// Does what the command line says.
///
/// # Errors
/// [`Failure`], to be printed and turned into the exit code.
pub async fn run(cli: Cli) -> Result<(), Failure> {
    let env = kit::config::environment();
    match cli.command {
        Command::Serve(serve) => serve::run(&serve, env).await,
        Command::Admin(command) => admin::run(&command, env).await,
        Command::Dlq(command) => dlq::run(command, env).await,
        Command::Feed(command) => feed::run(&command, env).await,
        Command::Config(command) => config::run(&command, env).await,
        Command::Openapi(command) => openapi::run(&command),
        Command::Healthcheck(command) => healthcheck::run(&command, env).await,
        Command::Preflight(command) => preflight::run(&command),
    }
}

/// Prints a line to standard output: what was asked for. A reader that went away (`| head`) is no failure.
pub fn say(line: impl fmt::Display) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}
