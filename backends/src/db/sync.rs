//! Group commit: one `fdatasync` of SQLite's write-ahead log releases every commit that waited when it began.
//!
//! **Why it is right.** With `synchronous=NORMAL` a COMMIT appends its frames to the `-wal` file and returns. A waiter
//! registers after that, and is released by a sync that *began* after it registered, so the frames are on disk. The
//! scheme survives checkpoints and the restart of the log, because SQLite itself (any `synchronous` but OFF) syncs the
//! `-wal` before it copies pages into the database file, and syncs the database file before it lets the log start
//! again from its beginning: frames that a later writer overwrites are already durable in the database file. The file
//! stays the same inode all the time: it is overwritten in place, and removed only when the last connection closes,
//! which the writer connection of this process prevents.
//!
//! **Why a failed sync is final.** After a failed `fsync` Linux marks the dirty pages clean and reports the error once
//! per descriptor; a second attempt would succeed without having written anything. So nothing is retried: the waiters
//! fail, and the database answers [`Error::Unavailable`] to every later commit until the process is started again
//! and SQLite has read back what really is on the disk.
//!
//! The descriptor is opened on the `-wal` file apart from SQLite. That is harmless, while opening and closing the
//! *database* file by hand would drop the POSIX locks that SQLite holds on it for the whole process.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::Error;

/// Makes everything written so far durable; called by the sync thread only.
pub(super) type SyncFn = Box<dyn FnMut() -> io::Result<()> + Send>;

/// Handle of the sync thread of one database. Dropping it ends the thread after the sync that is under way.
#[derive(Debug)]
pub(super) struct GroupSync {
    shared: Arc<Shared>,
}

/// How long a sync waits at most for those that are about to commit. On a disk that syncs faster than a transaction takes,
/// every commit would have a sync of its own otherwise, and its switches of threads would cost more than the sync.
const GATHER: Duration = Duration::from_millis(1);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    syncs: AtomicU64,
    /// Transactions that wait for the writer or hold it.
    turns: AtomicUsize,
}

/// Somebody who is about to commit; dropped when they did, or gave it up.
#[derive(Debug)]
pub(super) struct Turn(Arc<Shared>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.turns.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<oneshot::Sender<Result<(), String>>>,
    /// Why no commit can be made durable any more.
    poisoned: Option<String>,
    closed: bool,
}

impl GroupSync {
    /// Starts the thread.
    pub(super) fn start(name: &str, sync: SyncFn) -> io::Result<GroupSync> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            wake: Condvar::new(),
            syncs: AtomicU64::new(0),
            turns: AtomicUsize::new(0),
        });
        let thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name(format!("sync-{name}"))
            .spawn(move || thread.run(sync))?;
        Ok(GroupSync { shared })
    }

    /// Announces a transaction.
    pub(super) fn turn(&self) -> Turn {
        self.shared.turns.fetch_add(1, Ordering::Relaxed);
        Turn(Arc::clone(&self.shared))
    }

    /// Waits for a sync that begins after this call.
    pub(super) async fn wait(&self) -> Result<(), Error> {
        let (release, released) = oneshot::channel();
        let first = {
            let mut state = self.shared.state.lock();
            if let Some(reason) = &state.poisoned {
                return Err(Error::unavailable(reason.clone()));
            }
            if state.closed {
                return Err(Error::unavailable("the database is closed"));
            }
            state.waiting.push(release);
            state.waiting.len() == 1
        };
        // the first wakes the thread, the last of those that were about to commit ends its waiting
        if first || self.shared.turns.load(Ordering::Relaxed) == 0 {
            self.shared.wake.notify_one();
        }
        match released.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => Err(Error::unavailable(reason)),
            Err(_) => Err(Error::unavailable("the sync thread has ended")),
        }
    }

    /// Why the database is poisoned, if it is.
    pub(super) fn poisoned(&self) -> Option<String> {
        self.shared.state.lock().poisoned.clone()
    }

    /// Refuses every later commit: a sync failed somewhere.
    pub(super) fn poison(&self, reason: &str) {
        self.shared.poison(reason);
    }

    /// Number of syncs that were made.
    pub(super) fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
    }
}

impl Drop for GroupSync {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.wake.notify_one();
    }
}

impl Shared {
    fn run(&self, mut sync: SyncFn) {
        loop {
            let waiting = {
                let mut state = self.state.lock();
                while state.waiting.is_empty() && !state.closed {
                    self.wake.wait(&mut state);
                }
                if state.waiting.is_empty() {
                    return;
                }
                let until = Instant::now() + GATHER;
                while self.turns.load(Ordering::Relaxed) > 0 && !state.closed {
                    if self.wake.wait_until(&mut state, until).timed_out() {
                        break;
                    }
                }
                std::mem::take(&mut state.waiting)
            };
            let result = sync();
            self.syncs.fetch_add(1, Ordering::Relaxed);
            let outcome = match result {
                Ok(()) => Ok(()),
                Err(error) => {
                    Err(self.poison(&format!("the write-ahead log could not be synced: {error}")))
                }
            };
            for waiter in waiting {
                // A caller that went away no longer needs the answer.
                let _ = waiter.send(outcome.clone());
            }
            if outcome.is_err() {
                return;
            }
        }
    }

    /// Poisons the database, fails those that wait, and answers the first reason.
    fn poison(&self, reason: &str) -> String {
        let (reason, waiting) = {
            let mut state = self.state.lock();
            let reason = state
                .poisoned
                .get_or_insert_with(|| reason.to_owned())
                .clone();
            (reason, std::mem::take(&mut state.waiting))
        };
        tracing::error!(%reason, "the database accepts no more writes until the process is started again");
        for waiter in waiting {
            let _ = waiter.send(Err(reason.clone()));
        }
        reason
    }
}

/// The sync function of a database file: `fdatasync` of its `-wal`, which must exist already. Syncs the folder once, so
/// that the names of both files survive a power cut too.
pub(super) fn of_wal(database: &Path) -> io::Result<SyncFn> {
    let wal = wal_path(database);
    let file = File::options().read(true).write(true).open(&wal)?;
    let folder = match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()?;
    Ok(Box::new(move || file.sync_data()))
}

fn wal_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    /// A sync that says when it begins and ends when it is told to.
    fn gated() -> (
        SyncFn,
        mpsc::UnboundedReceiver<()>,
        std::sync::mpsc::Sender<()>,
    ) {
        let (began, begun) = mpsc::unbounded_channel();
        let (allow, allowed) = std::sync::mpsc::channel();
        let sync = Box::new(move || {
            began.send(()).unwrap();
            allowed.recv().unwrap();
            Ok(())
        });
        (sync, begun, allow)
    }

    #[tokio::test]
    async fn a_waiter_is_not_released_by_a_sync_that_began_before_it() {
        let (sync, mut begun, allow) = gated();
        let group = Arc::new(GroupSync::start("test", sync).unwrap());
        let wait = |group: &Arc<GroupSync>| {
            let group = Arc::clone(group);
            tokio::spawn(async move { group.wait().await })
        };
        let early = wait(&group);
        begun.recv().await.unwrap();
        let late = wait(&group);
        while group.shared.state.lock().waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        allow.send(()).unwrap();
        early.await.unwrap().unwrap();
        begun.recv().await.unwrap();
        assert!(
            !late.is_finished(),
            "the first sync began before the second waiter came"
        );
        allow.send(()).unwrap();
        late.await.unwrap().unwrap();
        assert_eq!(group.syncs(), 2);
    }

    #[tokio::test]
    async fn sixty_four_waiters_share_one_sync() {
        let (sync, mut begun, allow) = gated();
        let group = Arc::new(GroupSync::start("test", sync).unwrap());
        let first = tokio::spawn({
            let group = Arc::clone(&group);
            async move { group.wait().await }
        });
        begun.recv().await.unwrap();
        let rest: Vec<_> = (0..64)
            .map(|_| {
                let group = Arc::clone(&group);
                tokio::spawn(async move { group.wait().await })
            })
            .collect();
        while group.shared.state.lock().waiting.len() < 64 {
            tokio::task::yield_now().await;
        }
        allow.send(()).unwrap();
        allow.send(()).unwrap();
        first.await.unwrap().unwrap();
        for waiter in rest {
            waiter.await.unwrap().unwrap();
        }
        assert_eq!(group.syncs(), 2);
    }

    #[tokio::test]
    async fn a_failed_sync_fails_its_waiters_and_everyone_after_them() {
        let group =
            GroupSync::start("test", Box::new(|| Err(io::Error::other("no disk")))).unwrap();
        assert!(matches!(group.wait().await, Err(Error::Unavailable(_))));
        assert!(matches!(group.wait().await, Err(Error::Unavailable(_))));
        assert_eq!(group.syncs(), 1, "a failed sync is never tried again");
        assert!(group.poisoned().unwrap().contains("no disk"));
    }
}
