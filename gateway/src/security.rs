//! The headers that tell a browser what an answer may be used for.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, Entry, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Nothing of an answer of the API is ever run, embedded or loaded from.
const API_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The pages of the API documents: everything from here, nothing from anywhere else. Swagger UI sets styles on elements
/// and draws its icons from `data:` addresses and pictures in answers from `blob:` ones.
pub const DOCS_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// What holds for every answer, whoever gives it.
pub const FIXED: [(HeaderName, &str); 4] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (X_FRAME_OPTIONS, "DENY"),
    (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
];

/// Adds to every answer what it does not say itself. An answer that says nothing about caching is not kept: it may be
/// about a person (spec/operations.md rule 31).
pub fn harden(headers: &mut HeaderMap) {
    let fixed = FIXED.map(|(name, value)| (name, HeaderValue::from_static(value)));
    let open = [
        (CONTENT_SECURITY_POLICY, API_POLICY),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    for (name, value) in fixed.into_iter().chain(open) {
        if let Entry::Vacant(vacant) = headers.entry(name) {
            vacant.insert(value);
        }
    }
}
