//! What requests and answers say in headers.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use contracts::access::ClientAddress;
use contracts::Verified;
use http::header::{ETAG, HeaderName, IF_MATCH};
use http::{Extensions, HeaderMap, HeaderValue};
use kit::extract::Json;

use super::bodies::PostBody;
use crate::error::{Error, FieldErrors};
use crate::model::Post;
use crate::store::Actor;

/// A post with its version as a strong tag.
pub type Tagged = ([(HeaderName, HeaderValue); 1], Json<PostBody>);

/// The answer with one post.
pub fn tagged(post: Post) -> Tagged {
    let tag = HeaderValue::try_from(etag(post.version)).expect("digits and quotes are visible characters");
    ([(ETAG, tag)], Json(post.into()))
}

fn etag(version: i64) -> String {
    format!("\"v{version}\"")
}

/// What `If-Match` demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    /// Reads the header; it may stand more than once.
    ///
    /// # Errors
    /// 422 when it is not text.
    pub fn read(headers: &HeaderMap) -> Result<Self, Error> {
        if !headers.contains_key(IF_MATCH) {
            return Ok(Self(None));
        }
        let mut tags = Vec::new();
        for value in headers.get_all(IF_MATCH) {
            let value = value.to_str().map_err(|_| FieldErrors::one("If-Match", "must be a list of entity tags"))?;
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

/// Most characters of an `Idempotency-Key`.
const KEY_MAX: usize = 200;

/// The `Idempotency-Key`, if there is one.
///
/// # Errors
/// 422 when it is not 1 to 200 visible ASCII characters, or given twice.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()));
    match (key, values.next()) {
        (Some(key), None) => Ok(Some(key.to_owned())),
        _ => Err(FieldErrors::one("Idempotency-Key", format!("must be one key of 1 to {KEY_MAX} visible ASCII characters"))),
    }
}

/// Who does it and from where, for the audit.
pub fn actor(who: &Verified, extensions: &Extensions) -> Actor {
    let address = match extensions.get::<ClientAddress>() {
        Some(ClientAddress(address)) => *address,
        None => extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip()),
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
        values.iter().map(|value| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
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
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
        assert_eq!(idempotency_key(&headers("idempotency-key", &["a-1"])).unwrap().as_deref(), Some("a-1"));
        for bad in [vec![""], vec!["a b"], vec!["a", "a"], vec![&*"x".repeat(201)]] {
            assert!(idempotency_key(&headers("idempotency-key", &bad)).is_err(), "{bad:?}");
        }
    }
}
