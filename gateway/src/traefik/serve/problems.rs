//! Answers that take the place of Traefik's own.

use axum::Router;
use axum::extract::Path;
use axum::routing::any;
use kit::problem::Problem;

use super::super::render::{AUTH_UNAVAILABLE, PROBLEM};
use crate::problems;

/// Answers below [`PROBLEM`]. Whom Traefik asks there gets the answer, with the status that it is asked for.
pub fn router() -> Router {
    Router::new().route(&format!("{PROBLEM}/{{which}}"), any(answer))
}

async fn answer(Path(which): Path<String>) -> Problem {
    match which.as_str() {
        "413" => problems::too_large(),
        "500" => problems::failed(),
        "503" => problems::unavailable("the service"),
        AUTH_UNAVAILABLE => problems::auth_unavailable(),
        _ => problems::nothing(),
    }
}
