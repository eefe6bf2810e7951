//! What the gateway answers itself, in the same words wherever it stands: before the services, or behind Traefik.

use http::{HeaderValue, StatusCode, header::ALLOW};
use kit::problem::Problem;

/// There is no such route.
pub fn nothing() -> Problem {
    Problem::of_status(StatusCode::NOT_FOUND)
}

/// The route has other methods.
pub fn wrong_method(allow: &HeaderValue) -> Problem {
    Problem::of_status(StatusCode::METHOD_NOT_ALLOWED).header(ALLOW, allow.clone())
}

/// The body is larger than its route takes.
pub fn too_large() -> Problem {
    Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE)
}

/// Something went wrong, and who was asked says nothing of it.
pub fn failed() -> Problem {
    Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)
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
