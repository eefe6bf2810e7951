//! The limits: bare axum handlers that do only what cannot be left out.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use tokio::net::TcpListener;

/// Serves `/api/auth/validate` with the same check of the same token by the same crate, and nothing else.
pub async fn validate(secret: &str, listener: TcpListener) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
        email: String,
    }
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&["schoolyard"]);
    let keys = Arc::new((DecodingKey::from_secret(secret.as_bytes()), validation));
    let handler = |State(keys): State<Arc<(DecodingKey, Validation)>>, headers: HeaderMap| async move {
        let token = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        match token.and_then(|token| decode::<Claims>(token, &keys.0, &keys.1).ok()) {
            Some(token) => (
                StatusCode::OK,
                [
                    ("x-user-id", token.claims.sub),
                    ("x-user-email", token.claims.email),
                ],
            )
                .into_response(),
            None => StatusCode::UNAUTHORIZED.into_response(),
        }
    };
    serve(
        Router::new()
            .route("/api/auth/validate", get(handler))
            .with_state(keys),
        listener,
    )
    .await
}

/// Serves the bytes of a file from memory, as JSON, at the path of the stream.
pub async fn bytes(file: &Path, listener: TcpListener) -> anyhow::Result<()> {
    let body = Bytes::from(std::fs::read(file)?);
    let handler =
        |State(body): State<Bytes>| async move { ([(CONTENT_TYPE, "application/json")], body) };
    serve(
        Router::new()
            .route("/api/activity-stream", get(handler))
            .with_state(body),
        listener,
    )
    .await
}

async fn serve(app: Router, listener: TcpListener) -> anyhow::Result<()> {
    Ok(axum::serve(listener, app).await?)
}
