//! What requests and answers say in headers.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use contracts::Verified;
use contracts::access::ClientAddress;
use http::header::{ETAG, HeaderName, IF_MATCH};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue};
use kit::extract::Json;
use kit::problem::Problem;
use kit::routes::{Argument, Description};

use super::bodies::PostBody;
use crate::error::{Error, FieldErrors};
use crate::model::Post;
use crate::store::Actor;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A post with its version as a strong tag.
pub type Tagged = ([(HeaderName, HeaderValue); 1], Json<PostBody>);

/// The answer with one post.
pub fn tagged(post: Post) -> Tagged {
    let tag = HeaderValue::try_from(etag(post.version))
        .expect("digits and quotes are visible characters");
    ([(ETAG, tag)], Json(post.into()))
}

fn etag(version: i64) -> String {
    format!("\"v{version}\"")
}

/// What `If-Match` demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    /// The header may stand more than once.
    fn read(headers: &HeaderMap) -> Result<Self, Error> {
        if !headers.contains_key(IF_MATCH) {
            return Ok(Self(None));
        }
        let mut tags = Vec::new();
        for value in headers.get_all(IF_MATCH) {
            let value = value
                .to_str()
                .map_err(|_| FieldErrors::one("If-Match", "must be a list of entity tags"))?;
            tags.extend(value.split(',').map(|tag| tag.trim().to_owned()));
        }
        Ok(Self(Some(tags)))
    }

    /// Whether a post of this version may be changed: the tags are compared strongly, so a weak one never fits.
    ///
    /// # Errors
    /// [`Error::Stale`].
    pub fn check(&self, version: i64) -> Result<(), Error> {
        match &self.0 {
            None => Ok(()),
            Some(tags) if tags.iter().any(|tag| tag == "*" || *tag == etag(version)) => Ok(()),
            Some(_) => Err(Error::Stale),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self::read(&parts.headers)?)
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

/// Most characters of an `Idempotency-Key`.
const KEY_MAX: usize = 200;

/// The `Idempotency-Key`, if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl IdempotencyKey {
    fn read(headers: &HeaderMap) -> Result<Self, Error> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(value) = values.next() else {
            return Ok(Self(None));
        };
        let visible = |key: &&str| {
            (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
        };
        match (value.to_str().ok().filter(visible), values.next()) {
            (Some(key), None) => Ok(Self(Some(key.to_owned()))),
            _ => Err(FieldErrors::one(
                "Idempotency-Key",
                format!("must be one key of 1 to {KEY_MAX} visible ASCII characters"),
            )),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self::read(&parts.headers)?)
    }
}

impl Argument for IdempotencyKey {
    fn describe(description: &mut Description) {
        description.header(
            "Idempotency-Key",
            false,
            "Makes a repeated request publish once",
        );
    }
}

/// Who does it and from where, for the audit.
pub fn actor(who: &Verified, extensions: &Extensions) -> Actor {
    let address = match extensions.get::<ClientAddress>() {
        Some(ClientAddress(address)) => *address,
        None => extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip()),
    };
    Actor {
        user: who.user,
        from: address.map(|address| address.to_string()),
        request_id: kit::server::request_id().and_then(|id| id.to_str().ok().map(str::to_owned)),
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
            (vec!["*"], true),
            (vec!["\"v1\", \"v3\""], true),
            (vec!["\"v1\"", "\"v3\""], true),
            (vec!["\"v2\""], false),
            (vec!["W/\"v3\""], false),
            (vec!["v3"], false),
            (vec![""], false),
        ] {
            let condition = IfMatch::read(&headers("if-match", &values)).unwrap();
            assert_eq!(condition.check(3).is_ok(), fits, "{values:?}");
        }
    }

    #[test]
    fn a_key_that_could_be_read_in_two_ways_is_refused() {
        assert_eq!(IdempotencyKey::read(&HeaderMap::new()).unwrap().0, None);
        assert_eq!(
            IdempotencyKey::read(&headers("idempotency-key", &["a-1"]))
                .unwrap()
                .0
                .as_deref(),
            Some("a-1")
        );
        for bad in [
            vec![""],
            vec!["a b"],
            vec!["a", "a"],
            vec![&*"x".repeat(201)],
        ] {
            assert!(
                IdempotencyKey::read(&headers("idempotency-key", &bad)).is_err(),
                "{bad:?}"
            );
        }
    }
}
