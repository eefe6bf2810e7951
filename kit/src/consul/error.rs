//! What can go wrong with Consul.

/// Why Consul did not do what it was asked. It names the setting to look at; it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsulError {
    /// Nobody answers there, or not in time.
    #[error(
        "consul.address: consul does not answer ({0}); check the address and that the agent runs"
    )]
    Unreachable(String),
    /// The token is unknown or lacks a right (403); the text names the right where Consul says it.
    #[error(
        "consul.token: consul refuses the token ({0}); set a token that exists and has this right"
    )]
    Refused(String),
    /// A condition of a transaction did not hold; nothing of it was written.
    #[error("consul wrote nothing of the transaction: {0}")]
    Conflict(String),
    /// More operations than one transaction takes; nothing was sent.
    #[error("a transaction of consul takes at most 64 operations, not {0}")]
    TooMany(usize),
    /// Any other answer.
    #[error("consul answered {status}: {text}")]
    Other {
        /// The status of HTTP.
        status: u16,
        /// What it said.
        text: String,
    },
}

impl ConsulError {
    /// The setting to look at, when it is one.
    #[must_use]
    pub fn setting(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable(_) => Some("consul.address"),
            Self::Refused(_) => Some("consul.token"),
            Self::Conflict(_) | Self::TooMany(_) | Self::Other { .. } => None,
        }
    }

    /// A stable code, as `/health/ready` shows it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "consul_unavailable",
            Self::Refused(_) => "consul_token_refused",
            Self::Conflict(_) | Self::TooMany(_) | Self::Other { .. } => "consul_failed",
        }
    }
}
