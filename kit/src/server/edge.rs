//! What happens to every request.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{Request, StatusCode};
use tokio_util::sync::CancellationToken;

use super::context::{CURRENT, Context};
use super::endless;
use super::finish::{self, Exchange};
use super::meter::Meter;
use super::request_id::taken_or_made;
use crate::clock::{SharedClock, SystemClock};
use crate::ids::{RandomIds, SharedIds};
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::routes::{Direct, canonical_path};
use crate::trace::Span;

pub(super) const DEFAULT_BODY_LIMIT: usize = 1024 * 1024;

/// What the edge needs.
#[derive(Debug, Clone)]
pub struct Edge {
    /// The time of health answers.
    pub clock: SharedClock,
    /// Makes request ids.
    pub ids: SharedIds,
    /// Where requests are counted.
    pub metrics: Metrics,
    /// What a request may cost.
    pub limits: Limits,
}

impl Edge {
    /// An edge with the usual limits.
    #[must_use]
    pub fn new(clock: SharedClock, ids: SharedIds, metrics: Metrics) -> Self {
        Self {
            clock,
            ids,
            metrics,
            limits: Limits::default(),
        }
    }

    /// An edge with the machine's clock, random ids, metrics of its own and the usual limits.
    #[must_use]
    pub fn system() -> Self {
        let clock = SystemClock::shared();
        Self::new(clock.clone(), RandomIds::shared(clock), Metrics::new())
    }
}

/// What a request may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a body, where the route says nothing else (1 MiB).
    pub body: usize,
    /// Time until the answer begins (30 s).
    pub time: Duration,
    /// Requests being answered at once (1024).
    pub in_flight: usize,
    /// Bytes of request line and headers (16 KiB).
    pub headers: usize,
    /// Time until the headers are there (30 s); over TLS also until the handshake is done.
    pub header_time: Duration,
    /// Requests at once on one HTTP/2 connection (256).
    pub streams: u32,
    /// Time after which a silent HTTP/2 connection is asked for a sign of life (20 s).
    pub ping_interval: Duration,
    /// Time it has to give that sign (10 s).
    pub ping_time: Duration,
    /// Time a client may take nothing of an answer that waits for it (30 s).
    pub write_time: Duration,
    /// Time that requests and jobs have to finish after the wish to stop (30 s).
    pub shutdown_grace: Duration,
    /// Time between the wish to stop and the refusal of new connections, while it is not ready (none).
    pub shutdown_delay: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: DEFAULT_BODY_LIMIT,
            time: Duration::from_secs(30),
            in_flight: 1024,
            headers: 16 * 1024,
            header_time: Duration::from_secs(30),
            streams: 256,
            ping_interval: Duration::from_secs(20),
            ping_time: Duration::from_secs(10),
            write_time: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(30),
            shutdown_delay: Duration::ZERO,
        }
    }
}

/// An app behind its edge. Clones are the same server.
#[derive(Clone)]
pub struct Server {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    name: &'static str,
    app: Direct,
    pub(super) edge: Edge,
    meter: Meter,
    in_flight: AtomicUsize,
    pub(super) draining: Arc<AtomicBool>,
    /// Cancelled when the requests that run are to finish: what would never end ends then.
    pub(super) finishing: CancellationToken,
}

impl Server {
    /// Puts the edge before `app`. `name` is the service in log and metrics where no route says another.
    ///
    /// Only the outermost router has an edge: routers inside tell it what it needs by themselves.
    #[must_use]
    pub fn new(name: &'static str, app: impl Into<Direct>, edge: Edge) -> Self {
        let meter = Meter::new(name, edge.metrics.clone());
        let inner = Inner {
            name,
            app: app.into(),
            edge,
            meter,
            in_flight: AtomicUsize::new(0),
            draining: Arc::default(),
            finishing: CancellationToken::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Where its requests are counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.edge.metrics
    }

    /// Answers a request as over a socket, but for the limits of headers, which a connection has.
    pub async fn call(&self, mut req: Request<Body>) -> Response {
        let inner = &*self.inner;
        let began = Instant::now();
        if let Some(uri) = canonical_path(req.uri()) {
            *req.uri_mut() = uri;
        }
        let request_id = taken_or_made(req.headers(), &*inner.edge.ids);
        let span = Span::server(req.headers());
        let method = req.method().clone();
        let cx = Arc::new(Context::new(
            inner.name,
            request_id,
            span,
            inner.edge.limits.body,
            Arc::clone(&inner.draining),
        ));
        let response = match InFlight::enter(inner) {
            None => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "too much to do at the moment",
            )
            .retry_after(1)
            .into_response(),
            Some(_in_flight) => {
                // called inside, so that what it does before its first await is caught and of this request too
                let answer = async { inner.app.call(req).await };
                let answer = tokio::time::timeout(inner.edge.limits.time, answer);
                let answer = AssertUnwindSafe(answer).catch_unwind();
                match CURRENT.scope(Arc::clone(&cx), answer).await {
                    Ok(Ok(response)) => response,
                    Ok(Err(_elapsed)) => Problem::new(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "timeout",
                        "the request took too long",
                    )
                    .retry_after(2)
                    .into_response(),
                    Err(panic) => Problem::internal(anyhow::anyhow!("panic: {}", said(&*panic)))
                        .into_response(),
                }
            }
        };
        finish::finish(
            endless::until(&inner.finishing, response),
            &Exchange {
                method,
                cx: &cx,
                began,
                meter: &inner.meter,
            },
        )
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.inner.name)
            .finish_non_exhaustive()
    }
}

/// Counts a request in, and out when it is dropped: also when the client goes away.
struct InFlight<'a>(&'a Inner);

impl<'a> InFlight<'a> {
    fn enter(inner: &'a Inner) -> Option<Self> {
        let before = inner.in_flight.fetch_add(1, Ordering::Relaxed);
        let entered = Self(inner);
        inner.meter.in_flight.increment(1);
        (before < inner.edge.limits.in_flight).then_some(entered)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.meter.in_flight.decrement(1);
    }
}

/// The words of a panic.
pub(super) fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("of an unknown kind")
}
