//! Two instances that do not tell one another of revoked sessions must not share a store. Each holds a claim on it as long as
//! it runs: alone without `auth.redis`, together with others that have it.

use std::time::Duration;

use backends::db::{Db, Hold, Share};
use kit::service::Worker;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// The claim's name.
const NAME: &str = "instances";
/// How long a start waits for an instance that is about to end.
pub const PATIENCE: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(100);
/// How often it is asked whether the claim still stands; a claim on a server ends with its connection.
const CHECKED: Duration = Duration::from_secs(2);

/// Claims the store, alone or with others.
///
/// # Errors
/// When somebody is there who must not be, and the store's.
pub async fn claim(db: &Db, share: Share, patience: Duration) -> anyhow::Result<Hold> {
    let end = Instant::now() + patience;
    let mut told = false;
    loop {
        if let Some(hold) = db.hold(NAME, share).await? {
            return Ok(hold);
        }
        if Instant::now() >= end {
            anyhow::bail!(refusal(share));
        }
        if !std::mem::replace(&mut told, true) {
            tracing::info!("waiting for another instance of auth on this store to end");
        }
        sleep(AGAIN).await;
    }
}

fn refusal(share: Share) -> &'static str {
    match share {
        Share::Alone => {
            "auth.redis is empty, and another instance of auth works on this auth.store: neither would see the sessions that the other one ends. \
             Stop the other one, or give every instance the same auth.redis"
        }
        Share::Together => {
            "auth.redis is set, and an instance of auth without it works on this auth.store: neither would see the sessions that the other one ends. \
             Stop that one, or give it the same auth.redis"
        }
    }
}

/// The worker that holds the claim, and ends the process when somebody else has it.
pub fn keep(mut hold: Hold, share: Share) -> Worker {
    Worker::new("auth-claim", move |stop| async move {
        let mut often = interval(CHECKED);
        often.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(often.tick()).await.is_some() {
            match hold.check().await {
                Ok(true) => {}
                Ok(false) => anyhow::bail!(refusal(share)),
                // nobody else can claim it there either
                Err(error) => tracing::debug!(%error, "the claim on the store cannot be checked"),
            }
        }
        Ok(())
    })
}
