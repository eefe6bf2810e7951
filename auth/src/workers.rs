//! What goes on beside the requests.

use std::time::Duration;

use kit::service::Worker;
use tokio::time::{MissedTickBehavior, interval};

use crate::store::Store;

/// How often the last uses of sessions are written down.
const LAST_SEEN: Duration = Duration::from_secs(60);
/// How often what is over is removed.
const SWEEP: Duration = Duration::from_secs(3600);

/// Writes down when sessions were last used, and once more at the end.
pub fn last_seen(store: Store) -> Worker {
    Worker::new("auth-last-seen", move |stop| async move {
        let mut minutely = interval(LAST_SEEN);
        minutely.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut going_on = true;
        while going_on {
            going_on = stop.run_until_cancelled(minutely.tick()).await.is_some();
            if let Err(error) = store.write_last_seen().await {
                tracing::warn!(%error, "the last uses of sessions could not be written");
            }
        }
        Ok(())
    })
}

/// Removes sessions, refresh tokens and counters that are over.
pub fn sweeper(store: Store) -> Worker {
    Worker::new("auth-sweeper", move |stop| async move {
        let mut hourly = interval(SWEEP);
        hourly.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(hourly.tick()).await.is_some() {
            match store.sweep().await {
                Ok(swept) => {
                    tracing::debug!(sessions = swept.sessions, tokens = swept.tokens, "swept");
                }
                Err(error) => tracing::warn!(%error, "old sessions could not be swept"),
            }
            if let Err(error) = store.forget_ended().await {
                tracing::warn!(%error, "sessions that are over could not be forgotten");
            }
        }
        Ok(())
    })
}
