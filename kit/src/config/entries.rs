//! What is shown of the configuration.

use std::fmt;
use std::path::PathBuf;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The documented default.
    Default,
    /// The profile of the demonstration.
    Demo,
    /// Another profile, by its name.
    Profile(&'static str),
    /// The configuration file.
    File(PathBuf),
    /// A variable of the environment, by its name.
    Env(String),
    /// A file named by a variable of the environment.
    SecretFile {
        /// The variable.
        name: String,
        /// The file.
        path: PathBuf,
    },
}

impl Origin {
    /// Whether the operator has chosen the value.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        matches!(self, Self::File(_) | Self::Env(_) | Self::SecretFile { .. })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Demo => f.write_str("demo"),
            Self::Profile(name) => write!(f, "profile {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Env(name) => f.write_str(name),
            Self::SecretFile { name, path } => write!(f, "{name} ({})", path.display()),
        }
    }
}

/// One setting as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `section.key`.
    pub name: String,
    /// The value as TOML; a secret that is set is `********`, and so is a password in a URL.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}
