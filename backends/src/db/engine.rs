//! What a [`super::Db`] handle shares.

use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use sqlx::PgPool;
use tokio::sync::watch;

use super::sqlite::Lite;
use crate::bus::Record;

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
    pub(super) written: Written,
}

/// Events that were committed here, until the relay takes them. It asks the database for those it does not find here, so
/// they are given up together when nobody takes them.
#[derive(Debug, Default)]
pub(super) struct Written(Mutex<Vec<(i64, Record)>>);

/// How many events wait here at most.
const MOST_WRITTEN: usize = 256;

impl Written {
    pub(super) fn add(&self, events: impl ExactSizeIterator<Item = (i64, Record)>) {
        if events.len() == 0 {
            return;
        }
        let mut written = self.0.lock();
        if written.len() + events.len() > MOST_WRITTEN {
            written.clear();
        } else {
            written.extend(events);
        }
    }

    /// In the order of their numbers.
    pub(super) fn take(&self) -> Vec<(i64, Record)> {
        let mut taken = std::mem::take(&mut *self.0.lock());
        taken.sort_by_key(|(number, _)| *number);
        taken
    }
}

impl Inner {
    pub(super) fn new(engine: Engine, name: String) -> Inner {
        Inner {
            engine,
            name,
            commits: AtomicU64::new(0),
            outbox: watch::Sender::new(0),
            audit: watch::Sender::new(0),
            written: Written::default(),
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
