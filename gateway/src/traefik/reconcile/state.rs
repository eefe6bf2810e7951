//! How it goes, for the readiness check, the log and the metrics.

use std::sync::Arc;

use kit::consul::ConsulError;
use kit::metrics::Metrics;
use kit::service::{Check, CheckError};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::super::model::Unwritable;

/// The name of the readiness check.
const NAME: &str = "routes";
/// At most so many keys of others are named in the log.
const NAMED: usize = 10;

/// How it goes. Clones share it.
#[derive(Clone, Debug)]
pub struct State(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    view: watch::Sender<View>,
    foreign: Mutex<Vec<String>>,
    settled: metrics::Gauge,
    others: metrics::Gauge,
    transactions: metrics::Counter,
}

/// How it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Whether what was found last is as it shall be.
    pub settled: bool,
    /// Why Consul cannot be read or written.
    pub consul: Option<ConsulError>,
    /// Why the authority is not known.
    pub authority: Option<String>,
    /// Why what shall be there cannot be written.
    pub unwritable: Option<Unwritable>,
    /// How many transactions were written.
    pub written: u64,
}

impl State {
    pub(super) fn new(metrics: &Metrics) -> Self {
        metrics.describe_gauge(
            "gateway_routes_settled",
            "1 while the keys in Consul are as they shall be",
        );
        metrics.describe_gauge(
            "gateway_routes_foreign_keys",
            "keys below traefik/ in Consul that are not the gateway's",
        );
        metrics.describe_counter(
            "gateway_routes_transactions_total",
            "transactions by which keys in Consul were put right",
        );
        Self(Arc::new(Inner {
            view: watch::Sender::default(),
            foreign: Mutex::default(),
            settled: metrics.gauge("gateway_routes_settled", &[]),
            others: metrics.gauge("gateway_routes_foreign_keys", &[]),
            transactions: metrics.counter("gateway_routes_transactions_total", &[]),
        }))
    }

    /// As it is now, and from now on.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<View> {
        self.0.view.subscribe()
    }

    pub(super) fn wrote(&self) {
        self.0.transactions.increment(1);
        self.0.settled.set(0.0);
        self.0.view.send_modify(|view| {
            view.settled = false;
            view.written += 1;
        });
    }

    pub(super) fn settled(&self) {
        self.0.settled.set(1.0);
        self.0.view.send_if_modified(|view| {
            let before = view.clone();
            view.settled = true;
            view.consul = None;
            view.unwritable = None;
            if before.consul.is_some() {
                tracing::info!(target: "traefik", "the routes in consul are as they shall be again");
            }
            *view != before
        });
    }

    pub(super) fn unwritable(&self, error: &Unwritable) {
        self.0.settled.set(0.0);
        tracing::error!(target: "traefik", error = %error, "the routes are not written, traefik goes on with what it knows");
        self.0.view.send_modify(|view| {
            view.settled = false;
            view.unwritable = Some(error.clone());
        });
    }

    pub(super) fn consul_failed(&self, error: &ConsulError) {
        self.0.settled.set(0.0);
        self.0.view.send_if_modified(|view| {
            let known = view.consul.as_ref() == Some(error);
            if !known {
                tracing::warn!(
                    target: "traefik",
                    code = error.code(),
                    setting = error.setting(),
                    error = %error,
                    "the routes in consul cannot be kept, traefik goes on with what it knows; trying again"
                );
            }
            view.settled = false;
            view.consul = Some(error.clone());
            !known
        });
    }

    pub(super) fn authority(&self, error: Option<&anyhow::Error>) {
        let error = error.map(|error| format!("{error:#}"));
        self.0.view.send_if_modified(|view| {
            if view.authority == error {
                return false;
            }
            match &error {
                Some(error) => tracing::warn!(
                    target: "traefik",
                    error,
                    "whom forward-auth is to believe cannot be found out, what was known before is believed on; trying again"
                ),
                None => tracing::info!(target: "traefik", "it is known whom forward-auth is to believe"),
            }
            view.authority = error;
            true
        });
    }

    pub(super) fn foreign(&self, keys: Vec<String>) {
        self.0.others.set(keys.len() as f64);
        let mut before = self.0.foreign.lock();
        if *before == keys {
            return;
        }
        if !keys.is_empty() {
            let named = keys.iter().take(NAMED).cloned().collect::<Vec<_>>();
            tracing::warn!(
                target: "traefik",
                count = keys.len(),
                keys = named.join(", "),
                "keys in consul that are not the gateway's: traefik reads them as well, they are left alone"
            );
        }
        *before = keys;
    }

    /// The readiness check: without it requests go on as before, but nothing new is routed.
    #[must_use]
    pub fn check(&self) -> Check {
        let state = self.clone();
        Check::degrading(NAME, move || std::future::ready(state.checked()))
    }

    fn checked(&self) -> Result<(), CheckError> {
        let view = self.0.view.borrow();
        if let Some(error) = &view.consul {
            return Err(CheckError::new(error.code(), error).of_setting(error.setting()));
        }
        if let Some(error) = &view.unwritable {
            return Err(CheckError::new("routes_unwritable", error));
        }
        if let Some(error) = &view.authority {
            return Err(CheckError::new("authority_unknown", error));
        }
        if view.settled {
            Ok(())
        } else {
            Err(CheckError::new(
                "routes_not_written",
                "the routes are not in consul yet",
            ))
        }
    }
}
