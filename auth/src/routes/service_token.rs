//! `POST /internal/auth/service-token`: another service of this deployment fetches a token for its calls.

use axum::extract::{FromRequestParts, State};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{
    HeaderValue,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
    request::Parts,
};
use kit::{
    Json, Problem,
    routes::{Guard, GuardKind},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Client;
use crate::{state::Auth, tokens::SERVICE_TTL};

/// A service's name and secret (`Authorization: Basic`), not checked yet.
#[derive(Debug)]
pub struct ServiceCredential {
    name: String,
    secret: SecretString,
}

impl Guard for ServiceCredential {
    const NAME: &'static str = "ServiceCredential";
    const KIND: GuardKind = GuardKind::Service;
}

impl<S: Send + Sync> FromRequestParts<S> for ServiceCredential {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(refused());
        };
        let encoded = value
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
        let decoded = encoded
            .and_then(|(_, encoded)| String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok());
        let decoded = decoded.ok_or_else(refused)?;
        let (name, secret) = decoded.split_once(':').ok_or_else(refused)?;
        Ok(Self {
            name: name.to_owned(),
            secret: secret.to_owned().into(),
        })
    }
}

/// A token of kind `service`.
#[derive(Serialize, ToSchema)]
pub struct ServiceToken {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
}

/// Issues it.
pub async fn issue(
    caller: ServiceCredential,
    State(auth): State<Auth>,
    client: Client,
) -> Result<Json<ServiceToken>, Problem> {
    if !auth
        .store
        .admit_service(&caller.name, caller.secret.expose_secret(), &client.origin)
        .await?
    {
        return Err(refused());
    }
    Ok(Json(ServiceToken {
        access_token: auth.service_token(&caller.name),
        token_type: "bearer",
        expires_in: SERVICE_TTL,
    }))
}

fn refused() -> Problem {
    Problem::new(
        http::StatusCode::UNAUTHORIZED,
        "invalid_credentials",
        "Invalid credentials",
    )
    .header(
        WWW_AUTHENTICATE,
        HeaderValue::from_static("Basic realm=\"service\""),
    )
}
