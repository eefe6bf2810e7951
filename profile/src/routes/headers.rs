//! What requests and answers say in headers.

use axum::extract::FromRequestParts;
use contracts::Verified;
use contracts::access::ClientAddress;
use http::HeaderValue;
use http::header::{ETAG, HeaderName};
use http::request::Parts;
use kit::conditional::etag;
use kit::extract::Json;
use kit::problem::Problem;
use kit::routes::Argument;

use super::bodies::ProfileBody;
use crate::model::Profile;
use crate::store::Actor;

/// A profile with its version as a strong tag.
pub type Tagged = ([(HeaderName, HeaderValue); 1], Json<ProfileBody>);

/// The answer with one profile.
pub fn tagged(profile: Profile) -> Tagged {
    ([(ETAG, etag(profile.version))], Json(profile.into()))
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
