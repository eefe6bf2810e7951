//! Connections that are handed on as they come.

use std::fmt;

use super::object::Leaves;
use super::{EntryPoint, Host, Name, Unwritable};

/// TLS connections at an entry point that name a host are handed on without a look into them: whoever is asked there is
/// balanced by connections, and nothing is parsed twice. While nobody stands there, those of HTTP get them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Its name, and that of its service.
    pub name: Name,
    /// Where the connections come from.
    pub at: EntryPoint,
    /// The name that they ask for.
    pub host: Host,
    /// Who gets them, by turns. At least one.
    pub servers: Vec<Socket>,
}

impl Passage {
    pub(super) fn of_service(&self) -> Leaves {
        let mut leaves = Leaves::default();
        for (at, server) in self.servers.iter().take(Leaves::LONGEST_LIST).enumerate() {
            leaves.put(&format!("loadBalancer/servers/{at}/address"), server);
        }
        leaves
    }

    pub(super) fn of_router(&self) -> Result<Leaves, Unwritable> {
        let mut leaves = Leaves::default();
        leaves.list("entryPoints", [self.at.as_str()])?;
        leaves.put("service", &self.name);
        leaves.put("tls/passthrough", true);
        leaves.put("rule", format_args!("HostSNI(`{}`)", self.host.as_str()));
        Ok(leaves)
    }
}

/// Where something listens: an address or a name, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Socket(String);

impl Socket {
    /// Of an address without brackets.
    ///
    /// # Errors
    /// What no host name has, or no port.
    pub fn new(address: &str, port: u16) -> Result<Self, Unwritable> {
        let host = Host::new(address)?;
        let host = host.as_str();
        if port == 0 {
            return Err(Unwritable::new("the socket", address, "it has a port"));
        }
        Ok(Self(if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }))
    }

    /// Reads what was written.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let socket = Self::new(host, port.parse().ok()?).ok()?;
        (socket.0 == text).then_some(socket)
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_read_as_it_was_written_and_nothing_else_is() {
        for (address, port, written) in [
            ("127.0.0.1", 8443, "127.0.0.1:8443"),
            ("auth-1", 1, "auth-1:1"),
            ("fd00::7", 8443, "[fd00::7]:8443"),
        ] {
            let socket = Socket::new(address, port).unwrap();
            assert_eq!(socket.as_str(), written);
            assert_eq!(Socket::read(written), Some(socket));
        }
        for bad in [
            "",
            "auth",
            "auth:0",
            "auth:70000",
            "auth:08",
            "a b:1",
            "fd00::7:8443",
            "`:1",
        ] {
            assert_eq!(Socket::read(bad), None, "{bad}");
        }
    }
}
