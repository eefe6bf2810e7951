//! Accounts and sessions in memory: loaded at the start, changed after each commit is durable. So a validate touches no
//! store, and still sees every role change and revocation that was answered 2xx.
//!
//! Commits may arrive here in another order than they were made. An account therefore only ever grows in version, and a
//! revoked session stays revoked, even when its opening arrives after its end.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use chrono::{DateTime, Utc};
use contracts::{UserId, Verified, clients::IdentityHeaders};
use http::HeaderValue;
use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use crate::model::{Account, Session};

/// An account with what answers about it are made of.
#[derive(Debug)]
pub struct Known {
    /// The account.
    pub account: Account,
    /// Its roles as they stand in tokens, sorted.
    pub roles: Vec<&'static str>,
    /// `X-User-ID`.
    pub id_header: HeaderValue,
    /// `X-User-Email`, empty without an address.
    pub email_header: HeaderValue,
    /// `X-User-Roles`.
    pub roles_header: HeaderValue,
}

impl Known {
    fn new(account: Account) -> Self {
        // names were judged when they came in; a row written by somebody else must not end the process
        let header = |text: &str| {
            HeaderValue::from_bytes(text.as_bytes()).unwrap_or(HeaderValue::from_static(""))
        };
        Self {
            roles: account.roles.names(),
            id_header: HeaderValue::from(account.id.0),
            email_header: header(account.email.as_deref().unwrap_or_default()),
            roles_header: header(&account.roles.header()),
            account,
        }
    }
}

/// A session with what is made once for it.
#[derive(Debug)]
pub struct Live {
    /// The session as it was opened.
    pub session: Session,
    /// `X-Session-ID`.
    pub header: HeaderValue,
    revoked: AtomicBool,
    seen: AtomicI64,
    written: AtomicI64,
    handed_on: Mutex<Option<Arc<HandedOn>>>,
}

/// What a session's last validate handed on; the same again as long as neither the token nor the account changes.
#[derive(Debug)]
pub struct HandedOn {
    /// The account version it was made for.
    pub version: i64,
    /// The `exp` of the presented token.
    pub exp: i64,
    /// Whether the presented token carried what the account says.
    pub current: bool,
    /// Who.
    pub who: Arc<Verified>,
    /// The same as headers.
    pub headers: Arc<IdentityHeaders>,
    /// A fresh token, where the presented one is not current.
    pub fresh: Option<HeaderValue>,
}

impl Live {
    fn new(session: Session, revoked: bool) -> Self {
        let seen = session.last_seen_at.timestamp_micros();
        let header =
            HeaderValue::from_str(&session.id.to_string()).unwrap_or(HeaderValue::from_static(""));
        Self {
            session,
            header,
            revoked: revoked.into(),
            seen: seen.into(),
            written: seen.into(),
            handed_on: Mutex::default(),
        }
    }

    /// Whether it was ended.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Acquire)
    }

    /// Notes that it is used now; written down later.
    pub fn seen(&self, now: DateTime<Utc>) {
        let now = now.timestamp_micros();
        // a load first: a busy session would else bounce one cache line between all threads
        if self.seen.load(Ordering::Relaxed) < now {
            self.seen.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// When it was last used.
    #[must_use]
    pub fn last_seen(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.seen.load(Ordering::Relaxed))
            .unwrap_or(self.session.last_seen_at)
    }

    /// What was handed on last, if it is still good for this account version and token.
    #[must_use]
    pub fn handed_on(&self, version: i64, exp: i64, current: bool) -> Option<Arc<HandedOn>> {
        self.handed_on
            .lock()
            .as_ref()
            .filter(|last| last.version == version && last.exp == exp && last.current == current)
            .cloned()
    }

    /// Keeps what is handed on now.
    pub fn hand_on(&self, made: Arc<HandedOn>) {
        *self.handed_on.lock() = Some(made);
    }
}

/// The copy.
#[derive(Debug, Default)]
pub struct Memory {
    accounts: RwLock<HashMap<i64, Arc<Known>>>,
    sessions: RwLock<HashMap<Uuid, Arc<Live>>>,
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
            sessions: RwLock::new(
                sessions
                    .into_iter()
                    .map(|s| (s.id, Arc::new(Live::new(s, false))))
                    .collect(),
            ),
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
        self.sessions.read().get(&id).cloned()
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

    /// Takes a session that was opened, unless its end is here already.
    pub fn put_session(&self, session: Session) {
        self.sessions
            .write()
            .entry(session.id)
            .or_insert_with(|| Arc::new(Live::new(session, false)));
    }

    /// Takes the end of sessions.
    pub fn revoke(&self, ended: &[Session]) {
        if ended.is_empty() {
            return;
        }
        let mut sessions = self.sessions.write();
        for session in ended {
            sessions
                .entry(session.id)
                .or_insert_with(|| Arc::new(Live::new(session.clone(), true)))
                .revoked
                .store(true, Ordering::Release);
        }
    }

    /// Forgets sessions that the store has swept.
    pub fn forget(&self, swept: &[Uuid]) {
        let mut sessions = self.sessions.write();
        for id in swept {
            sessions.remove(id);
        }
    }

    /// The sessions used since they were last written down, with their time; counts as written from now on.
    #[must_use]
    pub fn take_seen(&self) -> Vec<(Uuid, DateTime<Utc>)> {
        let sessions = self.sessions.read();
        let mut changed = Vec::new();
        for live in sessions.values().filter(|live| !live.is_revoked()) {
            let seen = live.seen.load(Ordering::Relaxed);
            if live.written.swap(seen, Ordering::Relaxed) < seen {
                changed.push((live.session.id, live.last_seen()));
            }
        }
        changed
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

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{Role, Roles};

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn account(version: i64, roles: Roles) -> Account {
        Account {
            id: UserId(7),
            email: None,
            username: "ines".into(),
            first_name: String::new(),
            last_name: String::new(),
            roles,
            active: true,
            login_enabled: true,
            version,
            created_at: at(0),
        }
    }

    fn session() -> Session {
        Session {
            id: Uuid::from_u128(5),
            user: UserId(7),
            created_at: at(0),
            last_seen_at: at(0),
            absolute_expiry: at(1000),
            ip: None,
            user_agent: None,
            label: None,
        }
    }

    #[test]
    fn an_older_version_that_arrives_late_changes_nothing() {
        let memory = Memory::default();
        memory.put_account(account(3, Roles::MEMBER));
        memory.put_account(account(2, Roles::MEMBER.with(Role::Admin)));
        assert!(!memory.has_admin());
        memory.put_account(account(4, Roles::MEMBER.with(Role::Admin)));
        assert!(memory.has_admin());
    }

    #[test]
    fn a_session_whose_end_arrives_first_stays_ended() {
        let memory = Memory::default();
        memory.revoke(&[session()]);
        memory.put_session(session());
        assert!(memory.session(session().id).unwrap().is_revoked());
    }

    #[test]
    fn a_use_is_handed_out_for_writing_once() {
        let memory = Memory::load(vec![], vec![session()]);
        assert_eq!(memory.take_seen(), vec![]);
        memory.session(session().id).unwrap().seen(at(60));
        memory.session(session().id).unwrap().seen(at(30));
        assert_eq!(memory.take_seen(), vec![(session().id, at(60))]);
        assert_eq!(memory.take_seen(), vec![]);
    }
}
