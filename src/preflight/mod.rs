//! Whether this machine can run the full stack: every check says what it found and, where that is not enough, what to do
//! (spec/operations.md rule 18).

mod docker;
mod host;
mod machine;
#[cfg(test)]
mod tests;

use std::fmt;

pub use machine::{Machine, Ran, System};

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good.
    Pass,
    /// The stack runs, but not as well as it could, or the check could not be made.
    Warn,
    /// The stack will not run.
    Fail,
}

/// One check's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to do; empty when it is good.
    pub cure: String,
}

/// What will be started.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The image of the services.
    pub image: String,
    /// The ports that will be published, with the name that moves each.
    pub ports: Vec<(String, u16)>,
}

/// MiB that the containers of the stack, without the profile `obs`, may use together: the sum of `mem_limit`. A test compares
/// it with the compose files.
pub const LIMITS_MIB: u64 = 4352;
/// MiB below which nobody should try.
pub const LEAST_MIB: u64 = 3072;

/// Looks at everything, in the order in which a person would.
#[must_use]
pub fn look(machine: &dyn Machine, wanted: &Wanted) -> Vec<Finding> {
    let mut findings = host::all(machine);
    findings.extend(docker::all(machine, wanted));
    findings.extend(
        wanted
            .ports
            .iter()
            .map(|(name, port)| host::port(machine, name, *port)),
    );
    findings
}

impl Finding {
    fn pass(check: &'static str, found: impl Into<String>) -> Self {
        Self {
            check,
            level: Level::Pass,
            found: found.into(),
            cure: String::new(),
        }
    }

    fn warn(check: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            check,
            level: Level::Warn,
            found: found.into(),
            cure: cure.into(),
        }
    }

    fn fail(check: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            check,
            level: Level::Fail,
            found: found.into(),
            cure: cure.into(),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

impl fmt::Display for Finding {
    /// A line, and the cure on a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}: {}", self.level, self.check, self.found)?;
        if !self.cure.is_empty() {
            write!(f, "\n      {}", self.cure)?;
        }
        Ok(())
    }
}
