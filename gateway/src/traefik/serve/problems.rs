//! Answers that take the place of Traefik's own.

use axum::Router;
use axum::extract::Path;
use axum::routing::any;
use http::StatusCode;
use kit::problem::Problem;

use super::super::render::{AUTH_UNAVAILABLE, PROBLEM};

/// Answers below [`PROBLEM`]. Whom Traefik asks there gets the answer, with the status that it is asked for.
pub fn router() -> Router {
    Router::new().route(&format!("{PROBLEM}/{{which}}"), any(answer))
}

async fn answer(Path(which): Path<String>) -> Problem {
    match which.as_str() {
        "413" => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "the body is too large",
        ),
        "503" => unavailable("the service"),
        AUTH_UNAVAILABLE => auth_unavailable(),
        _ => Problem::not_found("not_found", "there is nothing here"),
    }
}

/// A service is away.
pub fn unavailable(service: &str) -> Problem {
    Problem::unavailable(
        "unavailable",
        format!("{service} cannot be reached at the moment"),
    )
}

/// Auth cannot say who is calling.
pub fn auth_unavailable() -> Problem {
    Problem::unavailable(
        "auth_unavailable",
        "sign-in cannot be checked at the moment",
    )
}
