//! Traces: which call led to which, over all processes, told to a collector where one is named (`otlp.endpoint`).
//!
//! A request, a call of another service and a message that is applied are each a [`Span`]. They belong together by the W3C
//! `traceparent`, which is taken over from whoever calls and handed on to whoever is called and to the events that come of a
//! request. A span names the route's template and never the path, query, headers, body or anybody.
//!
//! Without a collector nothing is begun: [`Span::client`] and its kind answer none after one look at a static.

mod config;
mod export;
mod span;
#[cfg(test)]
mod tests;
mod w3c;
mod wire;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

pub use config::{Config, SECTION, TraceError};
pub use span::{Attribute, Span, Value};
pub use w3c::{TRACEPARENT, Traceparent};

use self::config::Collector;
use self::export::Exporter;
use self::span::Ended;
use crate::clock::SharedClock;
use crate::ids::SharedIds;
use crate::service::Worker;

/// Ended spans that wait for the collector; what comes beyond is lost, and no request waits.
const WAITING: usize = 8192;

static TRACER: OnceLock<Tracer> = OnceLock::new();

/// What spans are made with.
struct Tracer {
    queue: mpsc::Sender<Ended>,
    clock: SharedClock,
    ids: SharedIds,
    percent: u8,
    lost: AtomicU64,
}

/// Begins to make traces, if the settings name a collector: the worker that tells them is answered. Once per process, before
/// it serves. `service` is what the collector shows.
///
/// # Errors
/// Settings that cannot be used, naming them.
pub fn start(
    config: &Config,
    service: &str,
    clock: SharedClock,
    ids: SharedIds,
) -> Result<Option<Worker>, TraceError> {
    let Some(collector) = Collector::of(config)? else {
        return Ok(None);
    };
    let (queue, waiting) = mpsc::channel(WAITING);
    let instance = ids.uuid().to_string();
    let tracer = Tracer {
        queue,
        clock,
        ids,
        percent: config.percent,
        lost: AtomicU64::new(0),
    };
    TRACER.set(tracer).map_err(|_| TraceError::Twice)?;
    let exporter = Exporter::new(
        collector,
        wire::Resource::new(service, crate::VERSION, &instance),
        waiting,
    )?;
    Ok(Some(Worker::new("traces", move |stop| async move {
        exporter.run(stop).await;
        Ok(())
    })))
}

/// Whether traces are made.
#[must_use]
pub fn is_on() -> bool {
    TRACER.get().is_some()
}

/// The span of the request or message at hand, as others are told of it.
#[must_use]
pub fn current() -> Option<Traceparent> {
    is_on()
        .then(crate::server::current_span)
        .flatten()
        .map(|span| span.at())
}

/// How many spans were lost since this was asked last, because the collector took them too slowly.
fn lost() -> u64 {
    TRACER
        .get()
        .map_or(0, |tracer| tracer.lost.swap(0, Ordering::Relaxed))
}

impl Tracer {
    fn tell(&self, span: Ended) {
        if self.queue.try_send(span).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}
