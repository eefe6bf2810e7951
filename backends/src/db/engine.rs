//! What a [`super::Db`] handle shares.

use std::sync::atomic::AtomicU64;

use sqlx::PgPool;
use tokio::sync::watch;

use super::sqlite::Lite;

#[derive(Debug)]
pub(super) enum Engine {
    Postgres(PgPool),
    Sqlite(Box<Lite>),
}

/// Which workers a transaction has work for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Woken {
    pub(super) outbox: bool,
    pub(super) audit: bool,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) engine: Engine,
    pub(super) name: String,
    pub(super) commits: AtomicU64,
    /// Counts up with every commit that carries an outbox message: a watch and not a `Notify`, because each of several
    /// relays must wake, whichever of them holds the lease.
    pub(super) outbox: watch::Sender<u64>,
    pub(super) audit: watch::Sender<u64>,
}

impl Inner {
    pub(super) fn new(engine: Engine, name: String) -> Inner {
        Inner {
            engine,
            name,
            commits: AtomicU64::new(0),
            outbox: watch::Sender::new(0),
            audit: watch::Sender::new(0),
        }
    }

    pub(super) fn wake(&self, woken: Woken) {
        if woken.outbox {
            self.outbox.send_modify(|count| *count += 1);
        }
        if woken.audit {
            self.audit.send_modify(|count| *count += 1);
        }
    }
}
