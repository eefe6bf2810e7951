//! From the routes table to what Traefik is told.
//!
//! A few routers stand at the entry points: for hosts that are not answered for, for routes that do not count in the limit
//! per client, for those with a token in their paths, which no log may show, and for everything else. What all requests go through stands there, once, because each router has counters of
//! its own for each of its middlewares. Under them stands one router for each class of routes that go through the same
//! ([`classes`]), and two for what no other takes: the gateway's own process, which says what is wrong with the request
//! (unknown, another method, the service is away), and behind it nobody, 503.

mod chain;
mod classes;
mod internal;
mod methods;
mod routers;
mod services;
mod template;
#[cfg(test)]
pub(super) mod tests;

use kit::routes::{Access, RouteInfo};

use super::model::{Address, Dynamic, EntryPoint, Host, Name, Object, Passage, Socket, Unwritable};
use super::trust::Trust;
use classes::Routes;

/// Where Traefik asks auth.
pub const VALIDATE: &str = "/api/auth/validate";
/// What stands before the path of a request that no router takes.
pub const UNROUTED: &str = "/internal/gateway/unrouted";
/// Where answers are that take the place of Traefik's own.
pub const PROBLEM: &str = "/internal/gateway/problem";
/// The answer when auth cannot say who is calling, behind [`PROBLEM`].
pub const AUTH_UNAVAILABLE: &str = "auth-unavailable";
/// The service that answers for whom nobody answers.
pub(super) const GATEWAY: &str = crate::own::NAME;
/// The service that is asked who is calling.
pub(super) const AUTH: &str = "auth";

/// What an operator decides of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Host names answered for; none: any.
    pub hosts: Vec<String>,
    /// Requests a second of one client.
    pub rate_limit: u32,
    /// Requests in one instant of one client.
    pub rate_burst: u32,
    /// Requests of one client at the same time.
    pub in_flight: u32,
    /// How many trusted proxies stand before Traefik.
    pub proxies: u32,
    /// Traefik's entry point `internal`, as Traefik itself reaches it.
    pub internal: Address,
    /// The most bytes of a body where its route says nothing else.
    pub body_limit: usize,
}

/// The routes table, ready to be told to Traefik.
#[derive(Clone, Debug)]
pub struct Routing {
    settings: Settings,
    classes: Vec<Routes>,
}

impl Routing {
    /// Takes the table in.
    ///
    /// # Errors
    /// A path, method, host or service that Traefik cannot be told.
    pub fn new(settings: Settings, table: &[RouteInfo]) -> Result<Self, Unwritable> {
        let classes = classes::of(table, settings.body_limit)?;
        let routing = Self { settings, classes };
        // Whatever is wrong with the table or the settings is found at the start, and not when it is to be written.
        let all: Vec<&Routes> = routing.classes.iter().collect();
        routing.dynamic(&all, None, &[])?.objects()?;
        Ok(routing)
    }

    /// The name by which forward-auth asks, if it is one: TLS says no address, and what is handed on is told by its name.
    #[must_use]
    pub fn name_of_internal(&self) -> Option<Host> {
        let internal = &self.settings.internal;
        let host = internal.host();
        let named = internal.is_tls() && host.parse::<std::net::IpAddr>().is_err();
        Host::new(&host).ok().filter(|_| named)
    }

    /// Everything that is to stand in Consul. Without `trust` Traefik cannot ask who is calling: only public routes get
    /// routers then, and the others answer 503. Auth's `doors` get forward-auth's connections, if it believes them.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn objects(
        &self,
        trust: Option<&Trust>,
        doors: &[Socket],
    ) -> Result<Vec<Object>, Unwritable> {
        let asked = |access: Access| access == Access::Public || trust.is_some();
        let classes = self.classes.iter();
        let classes: Vec<&Routes> = classes
            .filter(|routes| asked(routes.class.access))
            .collect();
        self.dynamic(&classes, trust, doors)?.objects()
    }

    fn dynamic(
        &self,
        classes: &[&Routes],
        trust: Option<&Trust>,
        doors: &[Socket],
    ) -> Result<Dynamic, Unwritable> {
        let believed = trust.is_some_and(Trust::knows_auth) && !doors.is_empty();
        let passage = self.name_of_internal().filter(|_| believed);
        Ok(Dynamic {
            passages: passage
                .map(|host| to_auth(host, doors))
                .into_iter()
                .collect(),
            certificate: trust.and_then(|trust| trust.certificate.clone()),
            transports: services::transports(trust),
            services: services::all(&self.settings, classes, trust)?,
            middlewares: chain::all(&self.settings, classes, trust)?,
            routers: routers::all(&self.settings, classes)?,
        })
    }
}

/// Forward-auth's connections, which auth's own TLS addresses get.
fn to_auth(host: Host, doors: &[Socket]) -> Passage {
    Passage {
        name: Name::fixed("doors-of-auth"),
        at: EntryPoint::Internal,
        host,
        servers: doors.to_vec(),
    }
}
