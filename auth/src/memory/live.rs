//! What the copy holds of one account and of one session.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

use chrono::{DateTime, Utc};
use contracts::{Verified, clients::IdentityHeaders};
use http::HeaderValue;
use parking_lot::Mutex;

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
    /// Makes it ready.
    pub fn new(account: Account) -> Self {
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
    /// Makes it ready.
    pub fn new(session: Session, revoked: bool) -> Self {
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

    /// Ends it.
    pub(super) fn end(&self) {
        self.revoked.store(true, Ordering::Release);
    }

    /// The last use, if it was not written down yet; counts as written from now on.
    pub(super) fn take_seen(&self) -> Option<DateTime<Utc>> {
        let seen = self.seen.load(Ordering::Relaxed);
        (self.written.swap(seen, Ordering::Relaxed) < seen).then(|| self.last_seen())
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
