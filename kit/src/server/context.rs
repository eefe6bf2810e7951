//! What the edge knows of the request that is being answered, for the code inside to read and add to.
//!
//! It travels with the task, not with the request's extensions: so it costs no allocation of theirs, it is there for a
//! client deep inside ([`Peer`](crate::peer::Peer) passes the request id on), and what was noted is known to the edge
//! even when the handler panics or runs out of time.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use http::HeaderValue;

use super::edge::DEFAULT_BODY_LIMIT;

/// Which route answers, for log and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    /// The service whose route it is.
    pub service: &'static str,
    /// The path template, never the path.
    pub template: String,
    /// Log it at debug only.
    pub quiet: bool,
}

const NOBODY: i64 = i64::MIN;

pub(super) struct Context {
    pub(super) service: &'static str,
    pub(super) request_id: HeaderValue,
    pub(super) route: OnceLock<Arc<Matched>>,
    user: AtomicI64,
    body_limit: usize,
    draining: Arc<AtomicBool>,
}

impl Context {
    pub(super) fn new(
        service: &'static str,
        request_id: HeaderValue,
        body_limit: usize,
        draining: Arc<AtomicBool>,
    ) -> Self {
        Self {
            service,
            request_id,
            route: OnceLock::new(),
            user: AtomicI64::new(NOBODY),
            body_limit,
            draining,
        }
    }

    pub(super) fn id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }

    pub(super) fn user(&self) -> Option<i64> {
        Some(self.user.load(Ordering::Relaxed)).filter(|&id| id != NOBODY)
    }

    /// The service whose route answers, else the server itself.
    pub(super) fn answering(&self) -> &'static str {
        self.route.get().map_or(self.service, |route| route.service)
    }
}

tokio::task_local! {
    pub(super) static CURRENT: Arc<Context>;
}

/// Tells the edge which route answers. The router of a [`RouteSet`](crate::routes::RouteSet) does it by itself; a
/// proxy does it for the routes it forwards. The first note counts. Without an edge it does nothing.
pub fn note_route(route: &Arc<Matched>) {
    let _ = CURRENT.try_with(|cx| cx.route.set(Arc::clone(route)).is_ok());
}

/// Tells the edge who calls, for the log. Access extractors do it. Without an edge it does nothing.
pub fn note_user(id: i64) {
    let _ = CURRENT.try_with(|cx| cx.user.store(id, Ordering::Relaxed));
}

/// The id of the request that is being answered by this task.
#[must_use]
pub fn request_id() -> Option<HeaderValue> {
    CURRENT.try_with(|cx| cx.request_id.clone()).ok()
}

/// `server.body_limit` of the server that answers: for a proxy, which limits bodies it only passes on.
#[must_use]
pub fn default_body_limit() -> usize {
    CURRENT
        .try_with(|cx| cx.body_limit)
        .unwrap_or(DEFAULT_BODY_LIMIT)
}

/// Whether the server that answers has been told to stop.
pub(crate) fn draining() -> bool {
    CURRENT
        .try_with(|cx| cx.draining.load(Ordering::Relaxed))
        .unwrap_or(false)
}

/// Request id and service of this task, for a line of the log.
pub(crate) fn with_current<R>(f: impl FnOnce(&str, &'static str) -> R) -> Option<R> {
    CURRENT.try_with(|cx| f(cx.id(), cx.answering())).ok()
}
