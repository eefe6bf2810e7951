//! Cookies over HTTP/2.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// HTTP/2 lets a client send each cookie in a header of its own, so that they compress better; Go's does. For everybody
/// behind they are one header again (RFC 9113 section 8.2.3).
pub(super) fn join(headers: &mut HeaderMap) {
    let mut values = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (values.next(), values.next()) else {
        return;
    };
    let mut joined = first.as_bytes().to_vec();
    for crumb in std::iter::once(second).chain(values) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
    }
    // parts of header values, and what is between them, are a header value
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(cookies: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("*/*"));
        for cookie in cookies {
            headers.append(COOKIE, HeaderValue::from_static(cookie));
        }
        join(&mut headers);
        assert!(headers.contains_key("accept"));
        let cookies = headers.get_all(COOKIE).iter();
        cookies
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn crumbs_become_one_header_in_their_order() {
        assert_eq!(joined(&["a=1", "b=2; c=3", "d=4"]), ["a=1; b=2; c=3; d=4"]);
        assert_eq!(joined(&["a=1; b=2"]), ["a=1; b=2"]);
        assert_eq!(joined(&[]), [""; 0]);
    }
}
