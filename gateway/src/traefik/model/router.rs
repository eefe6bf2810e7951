//! Routers.

use super::object::Leaves;
use super::{Name, Reference, Rule, Unwritable};

/// A router: which requests, through what, to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    /// Its name.
    pub name: Name,
    /// Where its requests come from.
    pub place: Place,
    /// Which requests it takes.
    pub rule: Rule,
    /// The higher one is asked first, among those of the same place.
    pub priority: u32,
    /// What a request goes through, in this order.
    pub middlewares: Vec<Name>,
    /// To whom.
    pub target: Target,
    /// Whether its requests are written to the access log; a setting of a router at an entry point only.
    pub logged: bool,
}

/// Where a router's requests come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// From outside.
    At(Vec<EntryPoint>),
    /// From these routers, after their middlewares.
    Under(Vec<Name>),
}

/// The entry points of `traefik/traefik.yml` that get routers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryPoint {
    /// Clear text.
    Web,
    /// TLS.
    WebSecure,
    /// Traefik asks itself.
    Internal,
}

impl EntryPoint {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Web, Self::WebSecure, Self::Internal];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::WebSecure => "websecure",
            Self::Internal => "internal",
        }
    }
}

/// To whom a router gives its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the routers that stand under it.
    Children,
    /// To a service.
    Service(Reference),
}

impl Router {
    /// What is written of it, the rule last: before it stands, the router takes no request.
    pub(super) fn leaves(&self) -> Result<Leaves, Unwritable> {
        let mut leaves = Leaves::default();
        match &self.place {
            Place::At(entry_points) => {
                leaves.list(
                    "entryPoints",
                    entry_points.iter().map(|point| point.as_str()),
                )?;
                if !self.logged {
                    leaves.put("observability/accessLogs", false);
                }
            }
            Place::Under(parents) => leaves.list("parentRefs", parents.iter().map(Name::as_str))?,
        }
        leaves.list("middlewares", self.middlewares.iter().map(Name::as_str))?;
        leaves.put("priority", self.priority);
        if let Target::Service(service) = &self.target {
            leaves.put("service", service);
        }
        leaves.put("rule", &self.rule);
        Ok(leaves)
    }
}
