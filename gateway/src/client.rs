//! Where a request comes from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// The list of addresses a request came through, added to by each proxy.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Which peers are believed about where a request comes from.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Believes the proxies in these networks.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether a peer is believed.
    #[must_use]
    pub fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(&peer))
    }

    /// The client's address: the peer's, or, behind trusted proxies, the last address of `X-Forwarded-For` that is not
    /// itself a trusted proxy. What stands before that one is the client's own claim and is not looked at; an entry that
    /// is no address ends the search at the proxy that wrote it.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.0.is_empty() {
            return client;
        }
        let values: Vec<&str> = headers
            .get_all(X_FORWARDED_FOR)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let mut hops = values.iter().rev().flat_map(|value| value.rsplit(','));
        while self.contains(client) {
            let Some(next) = hops.next().and_then(address) else {
                break;
            };
            client = next;
        }
        client
    }
}

/// An address as proxies write it: plain, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let plain = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    plain
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
        .map(|address| address.to_canonical())
}

/// What is counted as one client: an IPv4 address, or an IPv6 network of 64 bits, because one household or host has a whole
/// one (spec/operations.md rule 2). Requests without an address count as one client together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey(u128);

impl ClientKey {
    /// The client an address belongs to.
    #[must_use]
    pub fn of(address: Option<IpAddr>) -> Self {
        // IPv4 addresses keep their mapped form (::ffff:a.b.c.d), whose own /64 is 0: no IPv6 client shares a key with them.
        Self(match address.map(|address| address.to_canonical()) {
            None => 0,
            Some(IpAddr::V4(v4)) => v4.to_ipv6_mapped().to_bits(),
            Some(IpAddr::V6(v6)) => (v6.to_bits() >> 64) << 64 | Ipv6Addr::LOCALHOST.to_bits(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let proxies = TrustedProxies::new(
            trusted
                .iter()
                .map(|network| network.parse().unwrap())
                .collect(),
        );
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn nobody_is_believed_by_default() {
        assert_eq!(client(&[], "203.0.113.7", &["198.51.100.1"]), "203.0.113.7");
        assert_eq!(
            client(&["10.0.0.0/8"], "203.0.113.7", &["198.51.100.1"]),
            "203.0.113.7"
        );
    }

    #[test]
    fn behind_proxies_the_last_address_that_is_not_a_proxy_counts() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        assert_eq!(
            client(&trusted, "10.0.0.1", &["198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(
            client(&trusted, "10.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.2"]),
            "198.51.100.1"
        );
        assert_eq!(
            client(&trusted, "10.0.0.1", &["6.6.6.6", "198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(client(&trusted, "fd00::1", &["2001:db8::7"]), "2001:db8::7");
        assert_eq!(
            client(&trusted, "::ffff:10.0.0.1", &["198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(client(&trusted, "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn ports_and_brackets_are_read_and_nonsense_ends_the_search() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(
            client(&trusted, "10.0.0.1", &["198.51.100.1:4711"]),
            "198.51.100.1"
        );
        assert_eq!(
            client(&trusted, "10.0.0.1", &["[2001:db8::7]:4711"]),
            "2001:db8::7"
        );
        assert_eq!(
            client(&trusted, "10.0.0.1", &["[2001:db8::7]"]),
            "2001:db8::7"
        );
        assert_eq!(
            client(&trusted, "10.0.0.1", &["198.51.100.1, unknown"]),
            "10.0.0.1"
        );
    }

    #[test]
    fn an_ipv6_client_is_its_64_bit_network() {
        let key = |text: &str| ClientKey::of(Some(text.parse().unwrap()));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("::2"), ClientKey::of(None));
    }

    proptest! {
        #[test]
        fn addresses_of_two_clients_never_share_a_key(a: u32, b: u128) {
            let four = ClientKey::of(Some(std::net::Ipv4Addr::from_bits(a).into()));
            let six = Ipv6Addr::from_bits(b);
            prop_assume!(six.to_ipv4_mapped().is_none());
            prop_assert_ne!(four, ClientKey::of(Some(six.into())));
        }
    }
}
