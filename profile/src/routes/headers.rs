//! What requests and answers say in headers.

use axum::extract::FromRequestParts;
use contracts::Verified;
use contracts::access::ClientAddress;
use http::header::{ETAG, HeaderName, IF_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use kit::extract::Json;
use kit::problem::Problem;
use kit::routes::{Argument, Description};

use super::bodies::ProfileBody;
use crate::error::{Error, FieldErrors};
use crate::model::Profile;
use crate::store::Actor;

/// A profile with its version as a strong tag.
pub type Tagged = ([(HeaderName, HeaderValue); 1], Json<ProfileBody>);

/// The answer with one profile.
pub fn tagged(profile: Profile) -> Tagged {
    ([(ETAG, etag(profile.version))], Json(profile.into()))
}

fn etag(version: i64) -> HeaderValue {
    HeaderValue::try_from(format!("\"v{version}\""))
        .expect("digits and quotes are visible characters")
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

    /// Whether a profile of this version may be changed: the tags are compared strongly, so a weak one never fits.
    ///
    /// # Errors
    /// [`Error::Stale`].
    pub fn check(&self, version: i64) -> Result<(), Error> {
        let now = etag(version);
        match &self.0 {
            None => Ok(()),
            Some(tags)
                if tags
                    .iter()
                    .any(|tag| tag == "*" || tag.as_bytes() == now.as_bytes()) =>
            {
                Ok(())
            }
            Some(_) => Err(Error::Stale(now)),
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

/// Where a request comes from, for the audit.
#[derive(Clone, Debug)]
pub struct From(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for From {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match ClientAddress::from_request_parts(parts, state).await {
            Ok(ClientAddress(address)) => Ok(Self(address.map(|address| address.to_string()))),
            Err(never) => match never {},
        }
    }
}

impl Argument for From {}

impl From {
    /// Who does it and from where.
    pub fn actor(self, who: &Verified) -> Actor {
        Actor {
            user: who.user,
            from: self.0,
            request_id: kit::server::request_id()
                .and_then(|id| id.to_str().ok().map(str::to_owned)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let headers = values
                .iter()
                .map(|value| (IF_MATCH, HeaderValue::from_static(value)))
                .collect();
            let condition = IfMatch::read(&headers).unwrap();
            assert_eq!(condition.check(3).is_ok(), fits, "{values:?}");
        }
    }
}
