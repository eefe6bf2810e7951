//! What a step leaves beside its rows: the event for the others and the entry for the audit.

use backends::{
    audit,
    db::{self, Tx},
    outbox,
};
use chrono::{DateTime, Utc};
use contracts::{
    UserId,
    events::{RevokeReason, SessionRevoked, UserEvent, UserEventKind},
};
use serde_json::Value;

use super::Store;
use crate::model::{Account, Origin, Session};

/// One entry of the audit, without who and when.
#[derive(Debug)]
pub struct Trace<'a> {
    /// What was done.
    pub action: &'a str,
    /// To what: `user:7`, `session:<id>`.
    pub object: String,
    /// Why, where a reason was asked for.
    pub reason: Option<String>,
    /// The state before, erasable.
    pub before: Option<Value>,
    /// The state after, erasable.
    pub after: Option<Value>,
}

impl<'a> Trace<'a> {
    /// An entry about an account.
    pub fn of(action: &'a str, user: UserId) -> Self {
        Self {
            action,
            object: format!("user:{user}"),
            reason: None,
            before: None,
            after: None,
        }
    }

    /// With what the account was and is.
    pub fn changed(mut self, before: Option<&Account>, after: Option<&Account>) -> Self {
        let shown = |account: Option<&Account>| {
            account.and_then(|account| serde_json::to_value(account.view()).ok())
        };
        (self.before, self.after) = (shown(before), shown(after));
        self
    }

    /// With a reason.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

impl Store {
    /// Writes the audit entry; if that fails, the step fails (privacy-audit rule 5).
    pub(super) async fn trace(
        &self,
        tx: &mut Tx,
        origin: &Origin,
        at: DateTime<Utc>,
        trace: Trace<'_>,
    ) -> Result<(), db::Error> {
        let entry = audit::Entry {
            actor: origin.actor.map(|actor| actor.0),
            on_behalf_of: None,
            action: trace.action,
            object: trace.object,
            reason: trace.reason,
            before: trace.before,
            after: trace.after,
            from: origin.address.map(|address| address.to_string()),
            request_id: origin.request_id.clone(),
            at,
            ids: &*self.ids,
        };
        audit::put(tx, entry).await
    }

    /// Puts the account's whole state into the outbox.
    pub(super) async fn tell(
        &self,
        tx: &mut Tx,
        kind: UserEventKind,
        account: &Account,
        at: DateTime<Utc>,
    ) -> Result<(), db::Error> {
        let event = UserEvent {
            kind,
            state: account.state(),
        };
        outbox::put(tx, &event.message(self.ids.uuid(), at)).await
    }

    /// Puts the end of sessions into the outbox and the audit.
    pub(super) async fn tell_ended(
        &self,
        tx: &mut Tx,
        origin: &Origin,
        ended: &[Session],
        reason: RevokeReason,
        at: DateTime<Utc>,
    ) -> Result<(), db::Error> {
        for session in ended {
            let event = SessionRevoked {
                user_id: session.user,
                session_id: session.id,
                reason,
            };
            outbox::put(tx, &event.message(self.ids.uuid(), at)).await?;
            let action = if reason == RevokeReason::Logout {
                "logout"
            } else {
                "session.revoked"
            };
            let trace = Trace {
                object: format!("session:{}", session.id),
                ..Trace::of(action, session.user)
            }
            .because(reason.name());
            self.trace(tx, origin, at, trace).await?;
        }
        Ok(())
    }
}
