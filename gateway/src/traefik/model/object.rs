//! The objects of a configuration as keys and values.

use std::collections::BTreeSet;
use std::fmt;

use super::{
    Certificate, Middleware, Name, Passage, Router, Service, Transport, Unwritable, check,
};

/// What all keys begin with: `providers.consul.rootKey` of `traefik/traefik.yml`.
pub const ROOT: &str = "traefik/";

/// Everything that is ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dynamic {
    /// The certificate of the entry point `internal`.
    pub certificate: Option<Certificate>,
    /// How servers are connected to.
    pub transports: Vec<Transport>,
    /// Services.
    pub services: Vec<Service>,
    /// Middlewares.
    pub middlewares: Vec<Middleware>,
    /// Connections that are handed on.
    pub passages: Vec<Passage>,
    /// Routers, in the order in which they may come to stand.
    pub routers: Vec<Router>,
}

/// What kind an object is of; its order is that in which objects need one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// How a server is connected to.
    Transport,
    /// A service.
    Service,
    /// A middleware.
    Middleware,
    /// A certificate.
    Certificate,
    /// Who gets connections that are handed on.
    TcpService,
    /// Which connections are handed on.
    TcpRouter,
    /// A router.
    Router,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Transport,
        Self::Service,
        Self::Middleware,
        Self::Certificate,
        Self::TcpService,
        Self::TcpRouter,
        Self::Router,
    ];

    /// Where objects of this kind stand, behind the root.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            Self::Certificate => "tls/certificates",
            Self::Transport => "http/serversTransports",
            Self::Service => "http/services",
            Self::Middleware => "http/middlewares",
            Self::TcpService => "tcp/services",
            Self::TcpRouter => "tcp/routers",
            Self::Router => "http/routers",
        }
    }
}

/// An object as it is written: whole or not at all.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Its name, or its number in a list.
    pub name: String,
    /// Keys and values; of a router the rule is the last.
    pub pairs: Vec<(String, String)>,
    /// What it has to do with guards.
    pub guards: Guards,
}

/// Guards: the middlewares that decide who gets where. A router that has lost one would be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guards {
    /// Nothing.
    None,
    /// It is one.
    Itself,
    /// These stand before it.
    Before(Vec<String>),
}

impl Object {
    /// By what it is known; keys are read without regard to case.
    #[must_use]
    pub fn id(&self) -> (Kind, String) {
        (self.kind, self.name.to_ascii_lowercase())
    }
}

impl fmt::Debug for Object {
    /// Without values: one may be a private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.pairs.iter().map(|(key, _)| key);
        f.debug_set().entries(keys).finish()
    }
}

impl Dynamic {
    /// All objects, each after those it needs, every key and value read back and found good.
    ///
    /// # Errors
    /// A list that is too long, and what the types above let through by a mistake of this program.
    pub fn objects(&self) -> Result<Vec<Object>, Unwritable> {
        let mut objects = Vec::new();
        for transport in &self.transports {
            let leaves = transport.leaves()?;
            objects.push(object(Kind::Transport, transport.name.as_str(), leaves)?);
        }
        for service in &self.services {
            let leaves = service.leaves()?;
            objects.push(object(Kind::Service, service.name.as_str(), leaves)?);
        }
        let mut guards = BTreeSet::new();
        for middleware in &self.middlewares {
            let leaves = middleware.leaves()?;
            let mut object = object(Kind::Middleware, middleware.name.as_str(), leaves)?;
            if middleware.is_guard() {
                guards.insert(&middleware.name);
                object.guards = Guards::Itself;
            }
            objects.push(object);
        }
        // When it is another authority's, that one is believed by now.
        if let Some(certificate) = &self.certificate {
            let leaves = certificate.leaves();
            objects.push(object(Kind::Certificate, Certificate::NUMBER, leaves)?);
        }
        for passage in &self.passages {
            let name = passage.name.as_str();
            objects.push(object(Kind::TcpService, name, passage.of_service())?);
            objects.push(object(Kind::TcpRouter, name, passage.of_router()?)?);
        }
        for router in &self.routers {
            let leaves = router.leaves()?;
            let mut object = object(Kind::Router, router.name.as_str(), leaves)?;
            let guarded = router.middlewares.iter();
            let guarded = guarded.filter(|name| guards.contains(name));
            object.guards = Guards::Before(guarded.map(ToString::to_string).collect());
            objects.push(object);
        }
        Ok(objects)
    }
}

fn object(kind: Kind, name: &str, leaves: Leaves) -> Result<Object, Unwritable> {
    let folder = format!("{ROOT}{}/{name}", kind.folder());
    let mut pairs = Vec::with_capacity(leaves.0.len());
    for (leaf, value) in leaves.0 {
        let key = format!("{folder}/{leaf}");
        check(&key, &value)?;
        pairs.push((key, value));
    }
    Ok(Object {
        kind,
        name: name.to_owned(),
        pairs,
        guards: Guards::None,
    })
}

/// Whose key this is: an object of ours, or nobody's we know. Traefik reads keys without regard to case, so a key that is
/// spelled otherwise belongs to the same object for it.
#[must_use]
pub fn id_of(key: &str) -> Option<(Kind, String)> {
    let rest = key.strip_prefix(ROOT)?.to_ascii_lowercase();
    Kind::ALL.into_iter().find_map(|kind| {
        let folder = kind.folder().to_ascii_lowercase();
        let inside = rest.strip_prefix(&folder)?.strip_prefix('/')?;
        let name = inside.split('/').next()?;
        let ours = match kind {
            Kind::Certificate => name == Certificate::NUMBER,
            _ => name.starts_with(Name::PREFIX),
        };
        ours.then(|| (kind, name.to_owned()))
    })
}

/// Keys below an object with their values, in the order in which they are written.
#[derive(Debug, Default)]
pub(super) struct Leaves(Vec<(String, String)>);

impl Leaves {
    /// Keys are sorted as text: the eleventh element would come before the second.
    pub(super) const LONGEST_LIST: usize = 10;

    pub(super) fn put(&mut self, leaf: &str, value: impl fmt::Display) {
        self.0.push((leaf.to_owned(), value.to_string()));
    }

    pub(super) fn list<'a>(
        &mut self,
        leaf: &str,
        values: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), Unwritable> {
        for (at, value) in values.into_iter().enumerate() {
            if at == Self::LONGEST_LIST {
                return Err(Unwritable::new(
                    "the list",
                    leaf,
                    "it has 10 elements at most",
                ));
            }
            self.put(&format!("{leaf}/{at}"), value);
        }
        Ok(())
    }
}
