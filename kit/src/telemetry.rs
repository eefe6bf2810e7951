//! The log of a process.

mod human;
mod json;
mod lines;
#[cfg(test)]
mod sink;

use std::io::{self, IsTerminal};

use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Section;

pub use human::HumanLines;
pub use json::JsonLines;
pub use lines::LogGuard;

use lines::Lines;

/// The settings `[log]` with their defaults.
pub const SECTION: Section = Section {
    name: "log",
    defaults: include_str!("../log.default.toml"),
    secrets: &[],
};

/// The settings `[log]`; what each means is said in `log.default.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How lines look.
    pub format: LogFormat,
    /// Which lines there are.
    pub filter: String,
}

/// How lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line: `ts`, `level`, `service`, `version`, `request_id`, `message` and the line's fields.
    Json,
    /// For people at a terminal.
    Human,
}

/// Why the log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("log.filter: `{0}` is not a filter; write for example `info` or `info,request=debug`")]
    Filter(String),
    /// The system gives no thread.
    #[error("the log's thread cannot be started")]
    Thread,
    /// It has been started before.
    #[error("the log of this process has been started already")]
    Twice,
}

/// Starts the log, on standard output for JSON and on standard error for people. Once per process, in main. Lines are
/// gathered for 20 ms at most; warnings and errors are written at once, and what waits is written when the guard is dropped.
///
/// # Errors
/// When the filter cannot be read, or the log was started before.
pub fn init(format: LogFormat, filter: &str) -> Result<LogGuard, TelemetryError> {
    let filter =
        EnvFilter::try_new(filter).map_err(|_| TelemetryError::Filter(filter.to_owned()))?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer();
    let out: Box<dyn io::Write + Send> = match format {
        LogFormat::Json => Box::new(io::stdout()),
        LogFormat::Human => Box::new(io::stderr()),
    };
    let (lines, guard) = Lines::start(out).map_err(|_| TelemetryError::Thread)?;
    match format {
        LogFormat::Json => registry
            .with(layer.event_format(JsonLines).with_writer(lines))
            .try_init(),
        LogFormat::Human => registry
            .with(
                layer
                    .event_format(HumanLines)
                    .with_ansi(io::stderr().is_terminal())
                    .with_writer(lines),
            )
            .try_init(),
    }
    .map_err(|_| TelemetryError::Twice)?;
    Ok(guard)
}
