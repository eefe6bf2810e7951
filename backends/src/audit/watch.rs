//! The worker that reads the chain again every day and tells whether it holds.

use std::time::Duration;

use kit::{metrics::Metrics, service::Worker};
use tokio::time::sleep;

use super::verify;
use crate::{
    backoff::Backoff,
    db::{Db, Error},
};

/// From one reading to the next: the chain grows for ever, and reading it takes a second for some hundred thousand entries.
const EVERY: Duration = Duration::from_hours(24);

/// The worker that [verifies](verify) the chain of a store when it starts and every day from then on.
///
/// Metrics, with the label `store` ([`Db::name`]): `audit_broken` (gauge: 1 if the chain does not hold), `audit_checked` (gauge: entries
/// that were read).
pub fn watcher(db: Db, metrics: Metrics) -> Worker {
    Worker::new("audit-watcher", move |stop| async move {
        stop.run_until_cancelled(watch(&db, &metrics)).await;
        Ok(())
    })
}

async fn watch(db: &Db, metrics: &Metrics) {
    metrics.describe_gauge(
        "audit_broken",
        "1 if an entry of the audit was changed, taken out or put in",
    );
    metrics.describe_gauge("audit_checked", "entries of the audit that were read again");
    let mut backoff = Backoff::new();
    loop {
        let wait = match look(db, metrics).await {
            Ok(()) => {
                backoff.reset();
                EVERY
            }
            Err(error) => {
                tracing::debug!(%error, "the audit could not be read again");
                backoff.next()
            }
        };
        sleep(wait).await;
    }
}

async fn look(db: &Db, metrics: &Metrics) -> Result<(), Error> {
    let verdict = verify(db).await?;
    let store = [("store", db.name())];
    metrics
        .gauge("audit_broken", &store)
        .set(f64::from(u8::from(!verdict.ok)));
    metrics
        .gauge("audit_checked", &store)
        .set(verdict.checked as f64);
    if let Some(seq) = verdict.first_bad {
        tracing::error!(
            store = db.name(),
            seq,
            "the audit does not hold from this entry on: somebody changed it"
        );
    }
    Ok(())
}
