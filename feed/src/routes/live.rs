//! The live stream.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use contracts::access::Member;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use kit::problem::Problem;
use kit::routes::{self, Argument, Description};

use super::App;
use crate::live::{self, Live, Since};

const LAST_EVENT_ID: &str = "last-event-id";
/// Tells a proxy before us not to gather the answer.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The id of the last event the client has; browsers send it by themselves.
pub(super) struct LastEventId(Since);

impl<S: Sync> FromRequestParts<S> for LastEventId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let since = |value: &HeaderValue| match value.to_str().ok().map(str::parse) {
            // A browser that was never told an id has none to send.
            _ if value.is_empty() => Since::Now,
            Some(Ok(place)) => Since::Place(place),
            _ => Since::Unknown,
        };
        let last = parts.headers.get(LAST_EVENT_ID);
        Ok(Self(last.map_or(Since::Now, since)))
    }
}

impl Argument for LastEventId {
    fn describe(description: &mut Description) {
        description.header(
            "Last-Event-ID",
            false,
            "The id of the last event received: what happened since is sent first. Unknown or too old: one `reset`.",
        );
    }
}

impl IntoResponse for Live {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.body());
        for (name, value) in [
            (CONTENT_TYPE, "text/event-stream"),
            (CACHE_CONTROL, "no-store"),
            (X_ACCEL_BUFFERING, "no"),
        ] {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl routes::Answer for Live {
    fn describe(description: &mut Description) {
        description.answer(StatusCode::OK, Some("text/event-stream"));
    }
}

pub(super) async fn live(
    Member(who): Member,
    State(app): State<App>,
    LastEventId(since): LastEventId,
) -> Result<Live, Problem> {
    live::open(app, who, since).await
}
