//! Addresses.

use std::fmt;

use super::{PathText, Unwritable};

/// An `http:` or `https:` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(reqwest::Url);

impl Address {
    /// Checks it.
    ///
    /// # Errors
    /// No address, or of another kind, or with a name and password.
    pub fn new(address: &str) -> Result<Self, Unwritable> {
        let refuse = |reason| Err(Unwritable::new("the address", address, reason));
        let Ok(url) = reqwest::Url::parse(address) else {
            return refuse("it is like https://127.0.0.1:8003");
        };
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return refuse("it begins with http:// or https:// and names a host");
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return refuse("it has neither user nor password nor fragment");
        }
        Ok(Self(url))
    }

    /// The same host with this path and query.
    #[must_use]
    pub fn at(&self, path: &PathText, query: Option<&'static str>) -> Self {
        let mut url = self.0.clone();
        url.set_path(path.as_str());
        url.set_query(query);
        Self(url)
    }

    /// The host, an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        host.trim_matches(['[', ']']).to_owned()
    }

    /// Whether it is asked over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}
