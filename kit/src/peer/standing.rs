//! How calls of another service go, for readiness and the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::service::{Check, CheckError};

/// Why the last call did not reach the other service, if so. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// So that a call that goes well costs no lock.
    failing: AtomicBool,
    why: Mutex<Option<CheckError>>,
}

impl Standing {
    /// It was reached.
    pub(super) fn well(&self, peer: &'static str) {
        if self.0.failing.swap(false, Ordering::Relaxed) {
            *self.0.why.lock() = None;
            tracing::info!(peer, "a service that is called is reached again");
        }
    }

    /// It was not. The log is told once, until it fails otherwise.
    pub(super) fn trouble(&self, peer: &'static str, error: CheckError) {
        let mut why = self.0.why.lock();
        let same = |why: &CheckError| (&why.code, why.setting) == (&error.code, error.setting);
        if !why.as_ref().is_some_and(same) {
            tracing::warn!(
                peer,
                code = error.code,
                setting = error.setting,
                detail = error.detail,
                "a service that is called is not reached"
            );
        }
        *why = Some(error);
        self.0.failing.store(true, Ordering::Relaxed);
    }

    /// The readiness check of this name: it says how the last call went, and asks nobody.
    pub(super) fn readiness(&self, name: &'static str) -> Check {
        let standing = self.clone();
        Check::degrading(name, move || {
            let why = standing.0.why.lock().clone();
            std::future::ready(why.map_or(Ok(()), Err))
        })
    }
}
