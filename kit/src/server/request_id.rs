//! `X-Request-ID`.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::ids::Ids;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The caller's id when it is 1 to 64 of `[A-Za-z0-9._-]`, else a new one.
pub(super) fn taken_or_made(headers: &HeaderMap, ids: &dyn Ids) -> HeaderValue {
    match headers.get(X_REQUEST_ID) {
        Some(value) if acceptable(value.as_bytes()) => value.clone(),
        _ => made(ids),
    }
}

pub(super) fn acceptable(bytes: &[u8]) -> bool {
    (1..=64).contains(&bytes.len())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn made(ids: &dyn Ids) -> HeaderValue {
    let mut text = [0; uuid::fmt::Simple::LENGTH];
    let text = ids.uuid().as_simple().encode_lower(&mut text);
    HeaderValue::from_str(text).expect("hexadecimal digits are a header value")
}
