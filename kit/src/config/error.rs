//! What can be wrong with a configuration.

use super::Origin;

/// Names the setting, says what is wrong with it, and what to do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A name that is not known.
    #[error("{name}: there is no such setting ({origin}){}", did_you_mean(.nearest.as_ref()))]
    Unknown {
        /// The name as it was given.
        name: String,
        /// Where it was given.
        origin: Origin,
        /// The known name that looks most like it.
        nearest: Option<String>,
    },
    /// A value that does not fit.
    #[error("{name}: {message} (from {origin})")]
    Value {
        /// `section.key`.
        name: String,
        /// Where it was given.
        origin: Origin,
        /// What is wrong.
        message: String,
    },
    /// The same setting twice in the environment.
    #[error("{name}: both {first} and {second} are set; keep one of them")]
    Twice {
        /// `section.key`.
        name: String,
        /// One variable.
        first: String,
        /// The other.
        second: String,
    },
    /// A file that cannot be read.
    #[error(
        "{name}: {path} cannot be read: {message}; check that it exists and that this user may read it"
    )]
    File {
        /// What names the file.
        name: String,
        /// The file.
        path: String,
        /// What the operating system says.
        message: String,
    },
    /// The configuration file is not TOML.
    #[error("{path}: not a configuration file: {message}")]
    Syntax {
        /// The file.
        path: String,
        /// What is wrong, with its line.
        message: String,
    },
    /// A crate's own defaults are wrong: a mistake in the program.
    #[error("the defaults of section `{section}` are wrong: {message}")]
    Defaults {
        /// The section.
        section: String,
        /// What is wrong.
        message: String,
    },
}

fn did_you_mean(name: Option<&String>) -> String {
    name.map_or_else(
        || "; `config print` lists all".to_owned(),
        |name| format!("; did you mean {name}?"),
    )
}
