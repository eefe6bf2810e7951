//! Counts requests by route, method and family of status.

use std::collections::HashMap;
use std::sync::Arc;

use http::{Method, StatusCode};
use metrics::{Counter, Gauge, Histogram};
use parking_lot::RwLock;

use super::context::Matched;
use crate::metrics::Metrics;

/// The route of a request that no route answers.
pub(super) const UNMATCHED: &str = "unmatched";

pub(super) struct Meter {
    service: &'static str,
    metrics: Metrics,
    pub(super) in_flight: Gauge,
    known: RwLock<HashMap<Key, Handles>>,
}

/// The address of the route's `Matched` (0 for none), which `Handles` keeps alive, so that no other can take it.
#[derive(PartialEq, Eq, Hash, Clone, Copy)]
struct Key(usize, u8, u8);

struct Handles {
    count: Counter,
    duration: Histogram,
    _route: Option<Arc<Matched>>,
}

impl Meter {
    pub(super) fn new(service: &'static str, metrics: Metrics) -> Self {
        metrics.describe_counter("http_requests_total", "requests answered");
        metrics.describe_histogram(
            "http_request_duration_seconds",
            "time until the answer began",
        );
        metrics.describe_gauge("http_requests_in_flight", "requests being answered");
        let in_flight = metrics.gauge("http_requests_in_flight", &[("service", service)]);
        Self {
            service,
            metrics,
            in_flight,
            known: RwLock::default(),
        }
    }

    pub(super) fn record(
        &self,
        route: Option<&Arc<Matched>>,
        method: &Method,
        status: StatusCode,
        seconds: f64,
    ) {
        let family = family(status);
        let key = Key(
            route.map_or(0, |r| Arc::as_ptr(r) as usize),
            method_index(method),
            family,
        );
        if let Some(handles) = self.known.read().get(&key) {
            handles.record(seconds);
            return;
        }
        let mut known = self.known.write();
        known
            .entry(key)
            .or_insert_with(|| self.register(route, method, family))
            .record(seconds);
    }

    fn register(&self, route: Option<&Arc<Matched>>, method: &Method, family: u8) -> Handles {
        let labels = [
            ("service", route.map_or(self.service, |r| r.service)),
            ("route", route.map_or(UNMATCHED, |r| r.template.as_str())),
            ("method", METHODS[usize::from(method_index(method))]),
            ("status", FAMILIES[usize::from(family)]),
        ];
        Handles {
            count: self.metrics.counter("http_requests_total", &labels),
            duration: self
                .metrics
                .histogram("http_request_duration_seconds", &labels),
            _route: route.cloned(),
        }
    }
}

impl Handles {
    fn record(&self, seconds: f64) {
        self.count.increment(1);
        self.duration.record(seconds);
    }
}

const METHODS: [&str; 8] = [
    "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "other",
];
const FAMILIES: [&str; 6] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];

fn method_index(method: &Method) -> u8 {
    match *method {
        Method::GET => 0,
        Method::POST => 1,
        Method::PUT => 2,
        Method::DELETE => 3,
        Method::PATCH => 4,
        Method::HEAD => 5,
        Method::OPTIONS => 6,
        _ => 7,
    }
}

fn family(status: StatusCode) -> u8 {
    match status.as_u16() / 100 {
        family @ 1..=5 => family as u8,
        _ => 0,
    }
}
