//! Which request headers a client may send through, and what is never passed between hops.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName};

/// The request's id, made or checked by the edge before the gateway sees the request.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Removes from a client's request everything that could be taken for the gateway's word, and what ends at this hop:
///
/// - identity: `X-User-*` and `X-Session-ID`, in any number and spelling,
/// - every name with another character than letter, digit and dash. `X_User_ID` and `X.User.ID` become `X-User-ID` in
///   software that maps names to variables, and fourteen such characters are legal (facts/traefik-consul.md A.8),
/// - `Forwarded`, `X-Forwarded-*`, `X-Real-IP` and `X-Original-*`: what is true of them was read before,
/// - hop-by-hop headers (RFC 9110 section 7.6.1) and those that `Connection` lists, `Upgrade` and `HTTP2-Settings` too, so
///   that no tunnel opens past the checks (CVE-2026-88008).
///
/// Runs before the gateway sets its own headers, so that `Connection: X-User-ID` cannot remove one of them.
pub fn clean_request(headers: &mut HeaderMap) {
    end_hop(headers);
    remove_all(headers, |name| is_unwanted(name.as_str()));
}

/// Removes what ends at this hop, from a request or an answer.
pub fn end_hop(headers: &mut HeaderMap) {
    for name in listed(headers) {
        headers.remove(name);
    }
    headers.remove(CONNECTION);
    remove_all(headers, is_hop);
}

fn remove_all(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName) -> bool) {
    // Almost always empty, and an empty vector costs nothing.
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| unwanted(name))
        .cloned()
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// The headers that all `Connection` headers together list, without those that frame or name the message itself.
fn listed(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|name| {
            !name.eq_ignore_ascii_case(b"keep-alive") && !name.eq_ignore_ascii_case(b"close")
        })
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .filter(|name| ![HOST, CONTENT_LENGTH, X_REQUEST_ID].contains(name))
        .collect()
}

fn is_hop(name: &HeaderName) -> bool {
    let text = name.as_str();
    [TE, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(name)
        || text == "keep-alive"
        || text == "http2-settings"
        || text.starts_with("proxy-")
}

/// `HeaderName` keeps names in lower case.
fn is_unwanted(name: &str) -> bool {
    if !name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return true;
    }
    name == "forwarded"
        || name.strip_prefix("x-").is_some_and(|rest| {
            rest.starts_with("user-")
                || rest == "session-id"
                || rest.starts_with("forwarded-")
                || rest.starts_with("original-")
                || rest == "real-ip"
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn after(sent: &[(&str, &str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        clean_request(&mut headers);
        headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect()
    }

    #[test]
    fn no_spelling_of_an_identity_header_gets_through() {
        for name in [
            "X-User-ID",
            "x-user-id",
            "X_User_ID",
            "X.User.ID",
            "X-User_ID",
            "X!User!ID",
            "X~User~ID",
            "x-user-roles",
            "X-User-",
            "X-User-Anything",
            "X-Session-ID",
            "X_Session_ID",
            "x.session.id",
            "x-session_id",
            "X|User|Id",
            "x+user+id",
            "X'User'ID",
            "x`user`id",
            "x^user^id",
            "x*user*id",
            "x&user&id",
            "x%user%id",
            "x$user$id",
            "x#user#id",
        ] {
            assert_eq!(
                after(&[(name, "1"), (name, "2"), ("accept", "a/b")]),
                ["accept: a/b"],
                "{name}"
            );
        }
    }

    #[test]
    fn what_a_client_may_say_gets_through_untouched() {
        let sent = [
            ("accept", "*/*"),
            ("authorization", "Bearer a"),
            ("cookie", "sy=1"),
            ("x-request-id", "r-1"),
            ("if-match", "\"1\""),
            ("x-csrf-token", "c"),
            ("x-users", "3"),
            ("content-length", "3"),
            ("host", "h"),
        ];
        let mut all = after(&sent);
        all.sort();
        let mut expected: Vec<String> = sent
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        expected.sort();
        assert_eq!(all, expected);
    }

    #[test]
    fn hop_headers_and_those_that_connection_lists_end_here() {
        let sent = [
            ("connection", "keep-alive, X-Custom"),
            ("connection", "upgrade,HTTP2-Settings , X-Other"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABk"),
            ("x-custom", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("trailer", "x-user-id"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "Basic x"),
            ("proxy-connection", "x"),
            ("accept", "a/b"),
        ];
        assert_eq!(after(&sent), ["accept: a/b"]);
    }

    #[test]
    fn connection_cannot_unframe_or_rename_the_message() {
        let mut kept = after(&[
            ("connection", "host, content-length, x-request-id"),
            ("host", "h"),
            ("content-length", "0"),
            ("x-request-id", "r"),
        ]);
        kept.sort();
        assert_eq!(kept, ["content-length: 0", "host: h", "x-request-id: r"]);
    }

    #[test]
    fn what_proxies_are_asked_about_is_not_taken_from_clients() {
        let sent = [
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-uri",
            "x-forwarded-prefix",
            "x-forwarded-user",
            "x-real-ip",
            "x-original-url",
        ];
        assert_eq!(after(&sent.map(|name| (name, "1"))), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn whatever_maps_to_an_identity_name_is_removed(name in "[xX][-_.!~|a-zA-Z]{0,3}(user|session)[-_.!~+]{1,2}[a-zA-Z0-9_.-]{0,8}") {
            let mapped: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
            if mapped.starts_with("x-user-") || mapped == "x-session-id" {
                prop_assert_eq!(after(&[(&name, "1")]), Vec::<String>::new());
            }
        }
    }
}
