//! Rebuilds, on an administrator's order.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use contracts::access::Admin;
use http::StatusCode;
use kit::extract::Json;
use kit::problem::Problem;
use kit::routes::{self, Description};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;

/// A rebuild that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Started {
    /// Its name; `stats/detail` tells how it goes.
    job: String,
}

/// 202: it will be done.
pub(crate) struct Accepted(Started);

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(self.0)).into_response()
    }
}

impl routes::Answer for Accepted {
    fn describe(description: &mut Description) {
        description.json_answer::<Started>(StatusCode::ACCEPTED);
    }
}

pub(super) async fn rebuild(
    Admin(who): Admin,
    State(app): State<App>,
) -> Result<Accepted, Problem> {
    let job = app.rebuilds.start()?;
    tracing::info!(job, user = %who.user, "a rebuild of the stream was asked for");
    Ok(Accepted(Started { job }))
}
