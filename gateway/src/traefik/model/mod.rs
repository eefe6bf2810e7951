//! What of Traefik's dynamic configuration is written, as types: whatever can be built of them, Traefik takes. A value that
//! does not parse stops its whole KV provider, so there is no way to write one.

mod address;
mod grammar;
mod middleware;
mod name;
mod object;
mod parse;
mod passage;
mod pem;
mod router;
mod rule;
mod service;
mod value;

pub use address::Address;
pub use grammar::check;
pub use middleware::{
    Breaker, Buffering, Errors, ForwardAuth, Middleware, MiddlewareKind, Page, RateLimit, Retry,
    Source,
};
pub use name::{Name, Reference};
pub use object::{Dynamic, Guards, Kind, Object, ROOT, id_of};
pub use passage::{Passage, Socket};
pub use pem::Pem;
pub use router::{EntryPoint, Place, Router, Target};
pub use rule::{Matcher, Rule};
pub use service::{Certificate, Service, ServiceKind, Transport};
pub use value::{Duration, Host, Item, Method, PathText, Pattern, Statuses, Text};

/// What cannot be written for Traefik.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{value}` cannot be written for traefik: {reason}")]
pub struct Unwritable {
    /// What it was to be.
    pub what: &'static str,
    /// As it was given, shortened.
    pub value: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Unwritable {
    pub(super) fn new(what: &'static str, value: &str, reason: &'static str) -> Self {
        Self {
            what,
            value: value.chars().take(80).collect(),
            reason,
        }
    }
}
