//! What the edge knows of the request that is being answered, for the code inside to read and add to.
//!
//! It travels with the task, not with the request's extensions: so it costs no allocation of theirs, it is there for a
//! client deep inside ([`Peer`](crate::peer::Peer) passes the request id on), and what was noted is known to the edge
//! even when the handler panics or runs out of time.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderValue};

use super::edge::DEFAULT_BODY_LIMIT;
use super::request_id::{X_REQUEST_ID, acceptable};
use crate::trace::{Span, TRACEPARENT, Traceparent};

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
    /// Apart, since mostly there is none.
    pub(super) span: Option<Box<Span>>,
    pub(super) route: OnceLock<Arc<Matched>>,
    user: AtomicI64,
    body_limit: usize,
    draining: Arc<AtomicBool>,
}

impl Context {
    pub(super) fn new(
        service: &'static str,
        request_id: HeaderValue,
        span: Option<Span>,
        body_limit: usize,
        draining: Arc<AtomicBool>,
    ) -> Self {
        Self {
            service,
            request_id,
            span: span.map(Box::new),
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

/// What a line of the log says of the request that it belongs to.
pub(crate) struct Noted<'a> {
    pub(crate) request_id: &'a str,
    /// Empty: a message, which belongs to the request of another service.
    pub(crate) service: &'static str,
    pub(crate) trace: Option<Traceparent>,
}

/// The request of this task, for a line of the log.
pub(crate) fn with_current<R>(f: impl FnOnce(Noted<'_>) -> R) -> Option<R> {
    let noted = |cx: &Arc<Context>| {
        f(Noted {
            request_id: cx.id(),
            service: cx.answering(),
            trace: cx.span.as_ref().map(|span| span.at()),
        })
    };
    CURRENT.try_with(noted).ok()
}

/// The span of the request or message at hand, where traces are made.
pub(crate) fn current_span() -> Option<Span> {
    CURRENT.try_with(|cx| cx.span.as_deref().copied()).ok()?
}

/// Writes what the next service is told of the request at hand: `X-Request-ID`, and `traceparent` where traces are made, of
/// `span` if there is one, in place of what the caller sent. Without an edge it does nothing.
pub fn hand_on(headers: &mut HeaderMap, span: Option<&Span>) {
    let _ = CURRENT.try_with(|cx| {
        headers.insert(X_REQUEST_ID, cx.request_id.clone());
        if let Some(span) = span.or(cx.span.as_deref()) {
            headers.insert(TRACEPARENT, span.at().header());
        }
    });
}

/// The request at hand, for work in a task of its own: its id is in the log there, goes on to other services, and into events.
#[derive(Clone, Default)]
pub struct Carried(Option<Arc<Context>>);

impl Carried {
    /// That of this task; none: nothing is carried.
    #[must_use]
    pub fn here() -> Self {
        Self(CURRENT.try_with(Arc::clone).ok())
    }

    /// Does the work as a part of the request.
    pub async fn within<F: Future>(self, work: F) -> F::Output {
        match self.0 {
            Some(cx) => CURRENT.scope(cx, work).await,
            None => work.await,
        }
    }

    /// The same for work that waits for nothing.
    pub fn enter<R>(&self, work: impl FnOnce() -> R) -> R {
        match &self.0 {
            Some(cx) => CURRENT.sync_scope(Arc::clone(cx), work),
            None => work(),
        }
    }
}

impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = self.0.as_ref().map(|cx| cx.id());
        f.debug_tuple("Carried").field(&id).finish()
    }
}

/// Does work for a message as a part of the request that the message came of, whose id it names. What is no request id is
/// passed over.
pub async fn of_message<F: Future>(
    request_id: Option<&str>,
    span: Option<Span>,
    work: F,
) -> F::Output {
    let id = request_id
        .filter(|id| acceptable(id.as_bytes()))
        .and_then(|id| HeaderValue::from_str(id).ok());
    let Some(id) = id else {
        return work.await;
    };
    let cx = Context::new("", id, span, DEFAULT_BODY_LIMIT, Arc::default());
    CURRENT.scope(Arc::new(cx), work).await
}
