//! Names of objects, and how they refer to one another.

use std::fmt;

use super::Unwritable;

/// The name of an object that is ours. All begin alike, which is how ours are told from others'.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// What every name of ours begins with.
    pub const PREFIX: &str = "sy-";
    const LONGEST: usize = 100;

    /// `sy-` and what follows: lower-case letters, digits and dashes.
    ///
    /// # Errors
    /// Another character (`@` would name another provider, `/` another key), nothing, or too much.
    pub fn new(rest: &str) -> Result<Self, Unwritable> {
        let refuse = |reason| Err(Unwritable::new("the name", rest, reason));
        if rest.is_empty() || rest.len() > Self::LONGEST {
            return refuse("it has 1 to 100 characters");
        }
        if !is_plain(rest) {
            return refuse("it consists of a-z, 0-9 and dashes");
        }
        Ok(Self(format!("{}{rest}", Self::PREFIX)))
    }

    /// A name that is known to be one: of the program itself.
    pub(in crate::traefik) fn fixed(rest: &'static str) -> Self {
        debug_assert!(Self::new(rest).is_ok(), "{rest}");
        Self(format!("{}{rest}", Self::PREFIX))
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the whole name of an object of ours.
    #[must_use]
    pub fn is_ours(whole: &str) -> bool {
        whole
            .strip_prefix(Self::PREFIX)
            .is_some_and(|rest| Self::new(rest).is_ok())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// A service that a router or another service sends to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// One of ours.
    Own(Name),
    /// The instances that Consul's catalog knows under this name.
    Catalog(String),
}

impl Reference {
    const CATALOG: &str = "@consulcatalog";

    /// The instances of a service of the catalog.
    ///
    /// # Errors
    /// A name that Traefik would change: it makes every other character a dash.
    pub fn catalog(service: &str) -> Result<Self, Unwritable> {
        if service.is_empty() || !is_plain(service) {
            return Err(Unwritable::new(
                "the service",
                service,
                "it consists of a-z, 0-9 and dashes",
            ));
        }
        Ok(Self::Catalog(service.to_owned()))
    }

    /// Reads what was written.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        match text.strip_suffix(Self::CATALOG) {
            Some(service) => Self::catalog(service).ok(),
            None => Name::is_ours(text).then(|| Self::Own(Name(text.to_owned()))),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(name) => name.fmt(f),
            Self::Catalog(service) => write!(f, "{service}{}", Self::CATALOG),
        }
    }
}
