//! Answers that do not end by themselves.

use axum::body::Body;
use axum::response::Response;
use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use tokio_util::sync::CancellationToken;

/// Ends an event stream when the server is to finish its requests: it would go on for ever otherwise, and its client connects
/// again by itself. Whoever makes the stream, here or in another process, needs nothing for it.
pub(super) fn until(stop: &CancellationToken, response: Response) -> Response {
    let media_type = response.headers().get(CONTENT_TYPE);
    if !media_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    let stop = stop.clone();
    response
        .map(|body| Body::from_stream(body.into_data_stream().take_until(stop.cancelled_owned())))
}
