//! Accounts and sessions in memory: loaded at the start, changed after each commit is durable. So a validate touches no
//! store, and still sees every role change and revocation that was answered 2xx.
//!
//! Commits may arrive here in another order than they were made, and rows that were read a while ago after newer ones. An
//! account therefore only ever grows in version, and a revoked session stays revoked, even when its opening arrives after
//! its end. Where several instances share a store the copy is also loaded anew while it is in use ([`Memory::reload`]):
//! what was read before that and arrives after it is dropped, and read again when it is asked for.

mod live;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use contracts::UserId;
use parking_lot::RwLock;
use uuid::Uuid;

pub use self::live::{HandedOn, Known, Live};
use crate::model::{Account, Session};

/// The copy.
#[derive(Debug, Default)]
pub struct Memory {
    accounts: RwLock<HashMap<i64, Arc<Known>>>,
    sessions: RwLock<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    known: HashMap<Uuid, Arc<Live>>,
    epoch: Epoch,
}

/// When something was read, as far as it matters: between two loads of the copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Epoch(u64);

/// A load that has begun: what it reads from now on replaces what was there before.
#[derive(Debug)]
pub struct Reload {
    epoch: Epoch,
    before: HashSet<Uuid>,
}

impl Memory {
    /// What the store held at the start; the sessions are those that are not revoked.
    #[must_use]
    pub fn load(accounts: Vec<Account>, sessions: Vec<Session>) -> Self {
        Self {
            accounts: RwLock::new(
                accounts
                    .into_iter()
                    .map(|a| (a.id.0, Arc::new(Known::new(a))))
                    .collect(),
            ),
            sessions: RwLock::new(Sessions {
                known: sessions
                    .into_iter()
                    .map(|s| (s.id, Arc::new(Live::new(s, false))))
                    .collect(),
                epoch: Epoch::default(),
            }),
        }
    }

    /// The account.
    #[must_use]
    pub fn account(&self, id: UserId) -> Option<Arc<Known>> {
        self.accounts.read().get(&id.0).cloned()
    }

    /// The session, revoked or not.
    #[must_use]
    pub fn session(&self, id: Uuid) -> Option<Arc<Live>> {
        self.sessions.read().known.get(&id).cloned()
    }

    /// To be asked for before the store is read or a commit made whose session is put here.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.sessions.read().epoch
    }

    /// Takes an account as it was committed, unless a later version is here already.
    pub fn put_account(&self, account: Account) {
        let mut accounts = self.accounts.write();
        let newer = accounts
            .get(&account.id.0)
            .is_none_or(|there| there.account.version < account.version);
        if newer {
            accounts.insert(account.id.0, Arc::new(Known::new(account)));
        }
    }

    /// Takes a session that was opened or read, unless its end is here already or the copy was loaded since `epoch`.
    pub fn put_session(&self, session: Session, epoch: Epoch) {
        let mut sessions = self.sessions.write();
        // its end may have been seen by that load, which did not know it
        if sessions.epoch == epoch {
            sessions
                .known
                .entry(session.id)
                .or_insert_with(|| Arc::new(Live::new(session, false)));
        }
    }

    /// Takes the end of sessions.
    pub fn revoke(&self, ended: &[Session]) {
        if ended.is_empty() {
            return;
        }
        let mut sessions = self.sessions.write();
        for session in ended {
            sessions
                .known
                .entry(session.id)
                .or_insert_with(|| Arc::new(Live::new(session.clone(), true)))
                .end();
        }
    }

    /// Forgets every account, so that it is read again.
    pub fn forget_accounts(&self) {
        self.accounts.write().clear();
    }

    /// Forgets sessions that the store has swept.
    pub fn forget(&self, swept: &[Uuid]) {
        let mut sessions = self.sessions.write();
        for id in swept {
            sessions.known.remove(id);
        }
    }

    /// Forgets what is over, where sessions are swept by other instances as well: whoever presents one of them all the same
    /// is asked about in the store. `opened` is so long ago that no opening can still be on its way here.
    pub fn forget_ended(&self, now: DateTime<Utc>, opened: DateTime<Utc>) {
        self.sessions.write().known.retain(|_, live| {
            live.session.absolute_expiry > now
                && !(live.is_revoked() && live.session.created_at < opened)
        });
    }

    /// Begins to load the copy anew.
    #[must_use]
    pub fn reload(&self) -> Reload {
        let mut sessions = self.sessions.write();
        sessions.epoch.0 += 1;
        Reload {
            epoch: sessions.epoch,
            before: sessions.known.keys().copied().collect(),
        }
    }

    /// Takes what was read since [`Memory::reload`]: every account, and the sessions that are not revoked. False when another
    /// load has begun meanwhile: then nothing is taken.
    pub fn reloaded(&self, reload: &Reload, accounts: Vec<Account>, living: Vec<Session>) -> bool {
        for account in accounts {
            self.put_account(account);
        }
        let mut sessions = self.sessions.write();
        if sessions.epoch != reload.epoch {
            return false;
        }
        sessions.epoch.0 += 1;
        let ids: HashSet<Uuid> = living.iter().map(|session| session.id).collect();
        sessions.known.retain(|id, live| {
            let there = ids.contains(id);
            if !there && reload.before.contains(id) {
                live.end();
            }
            // what came meanwhile may have been read before or after its end: only the store knows
            there || live.is_revoked()
        });
        for session in living {
            sessions
                .known
                .entry(session.id)
                .or_insert_with(|| Arc::new(Live::new(session, false)));
        }
        true
    }

    /// The sessions used since they were last written down, with their time; counts as written from now on.
    #[must_use]
    pub fn take_seen(&self) -> Vec<(Uuid, DateTime<Utc>)> {
        let sessions = self.sessions.read();
        sessions
            .known
            .values()
            .filter(|live| !live.is_revoked())
            .filter_map(|live| Some((live.session.id, live.take_seen()?)))
            .collect()
    }

    /// How many accounts there are.
    #[must_use]
    pub fn accounts(&self) -> usize {
        self.accounts.read().len()
    }

    /// Whether an active administrator exists.
    #[must_use]
    pub fn has_admin(&self) -> bool {
        self.accounts
            .read()
            .values()
            .any(|known| known.account.is_active_admin())
    }
}
