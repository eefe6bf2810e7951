//! How auth tells in the catalog where its internal TLS address is.

use std::collections::BTreeMap;

const PORT: &str = "tls_port";
const NAMES: &str = "tls_names";

/// The TLS address of an instance of auth: at the instance's address, another port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsDoor {
    /// The port.
    pub port: u16,
    /// The host names and addresses that its certificate is for.
    pub names: Vec<String>,
}

impl TlsDoor {
    /// As it stands in the catalog.
    #[must_use]
    pub fn meta(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (PORT.to_owned(), self.port.to_string()),
            (NAMES.to_owned(), self.names.join(",")),
        ])
    }

    /// What an instance says of itself. None: it has none, or says nothing that can be understood.
    #[must_use]
    pub fn of(meta: &BTreeMap<String, String>) -> Option<Self> {
        let port = meta.get(PORT)?.parse().ok().filter(|&port| port != 0)?;
        let names = meta.get(NAMES)?.split(',').map(str::to_owned).collect();
        Some(Self { port, names })
    }

    /// Whether who asks by this name may believe the certificate.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        self.names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_understood() {
        let door = TlsDoor {
            port: 8443,
            names: vec!["localhost".to_owned(), "auth.internal".to_owned()],
        };
        assert_eq!(TlsDoor::of(&door.meta()), Some(door.clone()));
        assert!(door.is_for("Auth.Internal") && !door.is_for("auth"));
    }

    #[test]
    fn an_instance_that_says_nothing_of_use_has_none() {
        assert_eq!(TlsDoor::of(&BTreeMap::new()), None);
        for port in ["", "0", "70000", "-1", "x"] {
            let meta = BTreeMap::from([
                (PORT.to_owned(), port.to_owned()),
                (NAMES.to_owned(), "localhost".to_owned()),
            ]);
            assert_eq!(TlsDoor::of(&meta), None, "{port}");
        }
    }
}
