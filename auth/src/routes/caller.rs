//! What every handler may want to know of the request, beside its body.

use std::{borrow::Cow, convert::Infallible};

use axum::extract::{FromRequest, FromRequestParts, Request};
use contracts::{UserId, access::ClientAddress};
use http::{HeaderMap, header::USER_AGENT, request::Parts};
use kit::{
    Json, Problem,
    routes::{Argument, Description},
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use utoipa::ToSchema;

use crate::model::Origin;

/// Where a request comes from and with what.
#[derive(Debug, Clone)]
pub struct Client {
    /// For the audit and the limits.
    pub origin: Origin,
    /// For the list of sessions.
    pub user_agent: Option<String>,
}

impl Argument for Client {}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let ClientAddress(address) = ClientAddress::from_request_parts(parts, state).await?;
        let request_id =
            kit::server::request_id().and_then(|id| id.to_str().ok().map(str::to_owned));
        let user_agent = parts
            .headers
            .get(USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        Ok(Self {
            origin: Origin {
                actor: None,
                address,
                request_id,
            },
            user_agent,
        })
    }
}

/// A JSON body that may be left out; then it is the default.
#[derive(Debug, Clone, Copy, Default)]
pub struct OptionalJson<T>(pub T);

impl<T: ToSchema + DeserializeOwned> Argument for OptionalJson<T> {
    fn describe(description: &mut Description) {
        Json::<T>::describe(description);
    }
}

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(req: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = req.into_parts();
        let bytes = kit::extract::read(body).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        Json::from_request(Request::from_parts(parts, bytes.into()), state)
            .await
            .map(|Json(body)| Self(body))
    }
}

/// The account a path names, in its one spelling: `007`, `+7` and `0` name nobody.
#[derive(Debug, Clone, Copy)]
pub struct AccountId(pub UserId);

impl<'de> Deserialize<'de> for AccountId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// The version that `If-Match` names, as `ETag` gave it.
///
/// # Errors
/// 428 `precondition_required` when it is missing; one that no account ever had is merely stale, so it is -1.
pub fn if_match(headers: &HeaderMap) -> Result<i64, crate::error::Error> {
    let value = headers
        .get(http::header::IF_MATCH)
        .ok_or(crate::error::Error::PreconditionRequired)?;
    let version = value.to_str().ok().and_then(|text| {
        text.trim()
            .strip_prefix('"')?
            .strip_suffix('"')?
            .parse()
            .ok()
    });
    Ok(version.unwrap_or(-1))
}

/// The `ETag` of an account version.
#[must_use]
pub fn etag(version: i64) -> String {
    format!("\"{version}\"")
}
