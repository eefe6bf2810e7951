//! Requests that count only under a condition: `If-Match` and `If-None-Match` (RFC 9110 sections 13.1.1 and 13.1.2) and
//! `Idempotency-Key`.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use crate::problem::Problem;
use crate::routes::{Argument, Description};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Most characters of an `Idempotency-Key`.
const KEY_MAX: usize = 200;

/// The strong entity tag of a version.
///
/// # Panics
/// Never: digits and quotes are visible characters.
#[must_use]
pub fn etag(version: i64) -> HeaderValue {
    HeaderValue::try_from(format!("\"v{version}\""))
        .expect("digits and quotes are visible characters")
}

/// The strong entity tag of an answer's bytes: equal bytes have equal tags, and others have others.
///
/// # Panics
/// Never: hexadecimal digits and quotes are visible characters.
#[must_use]
pub fn etag_of(bytes: &[u8]) -> HeaderValue {
    let hash = hex::encode(&Sha256::digest(bytes)[..16]);
    HeaderValue::try_from(format!("\"{hash}\"")).expect("digits and quotes are visible characters")
}

/// What `If-Match` demands; nothing where it is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    /// Reads it; the header may stand more than once.
    ///
    /// # Errors
    /// 422 when it is no text.
    pub fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        if !headers.contains_key(IF_MATCH) {
            return Ok(Self(None));
        }
        let mut tags = Vec::new();
        for value in headers.get_all(IF_MATCH) {
            let value = value
                .to_str()
                .map_err(|_| Problem::invalid("If-Match", "must be a list of entity tags"))?;
            tags.extend(value.split(',').map(|tag| tag.trim().to_owned()));
        }
        Ok(Self(Some(tags)))
    }

    /// Whether a thing of this version may be changed: tags are compared strongly, so a weak one never fits.
    #[must_use]
    pub fn fits(&self, version: i64) -> bool {
        let now = etag(version);
        self.0.as_ref().is_none_or(|tags| {
            tags.iter()
                .any(|tag| tag == "*" || tag.as_bytes() == now.as_bytes())
        })
    }

    /// That a thing of this version may be changed.
    ///
    /// # Errors
    /// 412 `stale` with the `ETag` of the version there is.
    pub fn check(&self, version: i64) -> Result<(), Problem> {
        if self.fits(version) {
            return Ok(());
        }
        let stale = Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "stale",
            "It has been changed meanwhile; read it again",
        );
        Err(stale.header(ETAG, etag(version)))
    }

    /// Whether it demands anything.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.0.is_some()
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::read(&parts.headers)
    }
}

impl Argument for IfMatch {
    fn describe(description: &mut Description) {
        description.header(
            "If-Match",
            false,
            "The ETag the change is made to; any other version is 412 `stale`",
        );
    }
}

/// What the client has already, as `If-None-Match` says; nothing where it is absent or no text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IfNoneMatch(Vec<String>);

impl IfNoneMatch {
    /// Reads it; the header may stand more than once.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Self {
        let values = headers.get_all(IF_NONE_MATCH).iter();
        let tags = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|tag| tag.trim().to_owned());
        Self(tags.collect())
    }

    /// Whether the client has the answer with this tag, so that 304 says all. Tags are compared weakly: a proxy that
    /// compressed the answer has made its tag a weak one.
    #[must_use]
    pub fn has(&self, tag: &HeaderValue) -> bool {
        self.0.iter().any(|known| {
            let known = known.strip_prefix("W/").unwrap_or(known);
            known == "*" || known.as_bytes() == tag.as_bytes()
        })
    }
}

impl<S: Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::read(&parts.headers))
    }
}

impl Argument for IfNoneMatch {
    fn describe(description: &mut Description) {
        description.header(
            "If-None-Match",
            false,
            "The ETag of the answer the client has: 304 without a body while that is the answer",
        );
    }
}

/// The `Idempotency-Key`, if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl IdempotencyKey {
    /// Reads it.
    ///
    /// # Errors
    /// 422 unless it is one key of 1 to 200 visible ASCII characters.
    pub fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else {
            return Ok(Self(None));
        };
        let visible = |key: &&str| {
            (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
        };
        match (value.to_str().ok().filter(visible), values.next()) {
            (Some(key), None) => Ok(Self(Some(key.to_owned()))),
            _ => Err(Problem::invalid(
                "Idempotency-Key",
                format!("must be one key of 1 to {KEY_MAX} visible ASCII characters"),
            )),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::read(&parts.headers)
    }
}

impl Argument for IdempotencyKey {
    fn describe(description: &mut Description) {
        description.header(
            "Idempotency-Key",
            false,
            "Makes a repeated request count once",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn a_version_fits_its_strong_tag_any_of_a_list_and_the_star() {
        for (values, fits) in [
            (vec![], true),
            (vec!["\"v3\""], true),
            (vec!["\"v1\", \"v3\""], true),
            (vec!["\"v1\"", "\"v3\""], true),
            (vec!["*"], true),
            (vec!["W/\"v3\""], false),
            (vec!["v3"], false),
            (vec!["\"v4\""], false),
            (vec![""], false),
        ] {
            let condition = IfMatch::read(&headers("if-match", &values)).unwrap();
            assert_eq!(condition.fits(3), fits, "{values:?}");
            assert_eq!(condition.is_given(), !values.is_empty());
        }
    }

    #[test]
    fn an_answer_is_had_by_its_tag_strong_or_weak_and_by_no_other() {
        let tag = etag_of(b"an answer");
        assert_ne!(tag, etag_of(b"another"));
        let text = tag.to_str().unwrap();
        for (values, has) in [
            (vec![], false),
            (vec![text], true),
            (vec![&*format!("W/{text}")], true),
            (vec![&*format!("\"v1\", {text}")], true),
            (vec!["\"v1\"", text], true),
            (vec!["*"], true),
            (vec!["\"v1\""], false),
            (vec![text.trim_matches('"')], false),
            (vec![""], false),
        ] {
            let known = IfNoneMatch::read(&headers("if-none-match", &values));
            assert_eq!(known.has(&tag), has, "{values:?}");
        }
    }

    #[test]
    fn a_key_that_could_be_read_in_two_ways_is_refused() {
        assert_eq!(IdempotencyKey::read(&HeaderMap::new()).unwrap().0, None);
        let read = |values: &[&str]| IdempotencyKey::read(&headers("idempotency-key", values));
        assert_eq!(read(&["a-1"]).unwrap().0.as_deref(), Some("a-1"));
        for bad in [
            vec![""],
            vec!["a b"],
            vec!["a", "a"],
            vec![&*"x".repeat(201)],
        ] {
            assert!(read(&bad).is_err(), "{bad:?}");
        }
    }
}
