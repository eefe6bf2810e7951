//! `GET /users/health`, where clients of the 001 system ask.

use axum::extract::State;
use contracts::access::Anyone;
use kit::{Json, service::Live};

use crate::state::Auth;

/// That it answers. `/health` and `/api/auth/health` are kit's.
pub async fn health(_: Anyone, State(auth): State<Auth>) -> Json<Live> {
    Json(Live {
        status: "healthy",
        service: "auth",
        version: kit::VERSION,
        timestamp: auth.clock.now(),
    })
}
