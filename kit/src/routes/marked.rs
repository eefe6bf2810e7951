//! A handler that tells the server's edge which route answers, and limits its body.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::handler::Handler;
use http_body::Body as _;
use http_body_util::Limited;

use crate::server::{Matched, default_body_limit, note_route};

/// Wraps a handler without a future of its own: the note and the limit happen before it is called.
#[derive(Clone)]
pub(crate) struct Marked<H> {
    handler: H,
    route: Arc<Matched>,
    body_limit: Option<usize>,
}

impl<H> Marked<H> {
    pub(crate) fn new(handler: H, route: Matched, body_limit: Option<usize>) -> Self {
        Self {
            handler,
            route: Arc::new(route),
            body_limit,
        }
    }
}

impl<H: Handler<T, S>, T, S> Handler<T, S> for Marked<H> {
    type Future = H::Future;

    fn call(self, req: Request, state: S) -> Self::Future {
        note_route(&self.route);
        let limit = self.body_limit.unwrap_or_else(default_body_limit);
        self.handler.call(limit_body(req, limit), state)
    }
}

/// The request with a body that fails once it is longer than `limit` bytes; [`Json`](crate::Json) and
/// [`read`](crate::extract::read) answer that with 413 `body_too_large`.
#[must_use]
pub fn limit_body(req: Request, limit: usize) -> Request {
    if req.body().is_end_stream() {
        return req;
    }
    req.map(|body| Body::new(Limited::new(body, limit)))
}
