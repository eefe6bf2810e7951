//! `GET /internal/auth/ca`: what to trust at the internal TLS address.

use async_trait::async_trait;
use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use contracts::{CaBundle, InternalCa, access::Service};
use http::{
    HeaderValue,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use kit::Problem;

use crate::state::Auth;

/// PEM. The certificates are no secret: the guard keeps the route among the services, where it is of use, and whoever asks
/// must get it from auth itself, not from somebody between.
pub async fn read(_: Service, State(auth): State<Auth>) -> Result<Response, Problem> {
    let bundle = auth.certificates().await?;
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-pem-file"),
        ),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    Ok((headers, bundle.pem().to_owned()).into_response())
}

#[async_trait]
impl InternalCa for Auth {
    async fn certificates(&self) -> Result<CaBundle, Problem> {
        let bundle = self.authorities.bundle().await?;
        bundle.ok_or_else(|| {
            Problem::not_found(
                "no_internal_ca",
                "auth has no TLS address; set auth.tls_listen where it runs",
            )
        })
    }
}
