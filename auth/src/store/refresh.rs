//! Refresh tokens: rotated on each use, a copy ends the session (spec/auth.md rule 5).

use backends::db::Tx;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::events::RevokeReason;
use uuid::Uuid;

use super::{Changed, Store, row, row::Ending, trail::Trace};
use crate::{
    error::{Error, Result},
    model::{Account, Origin, Session},
    rotation::{self, Known, Step},
    secrets::RefreshToken,
};

/// What a refresh gives.
#[derive(Debug)]
pub struct Refreshed {
    /// The session that goes on.
    pub session: Session,
    /// Its account as it is now.
    pub account: Account,
    /// The successor.
    pub token: RefreshToken,
}

#[derive(sqlx::FromRow)]
struct TokenRow {
    id: Uuid,
    session_id: Uuid,
    expires_at: DateTime<Utc>,
    used_at: Option<DateTime<Utc>>,
    children: i64,
}

impl Store {
    /// Exchanges a refresh token for its successor.
    ///
    /// # Errors
    /// [`Error::RefreshInvalid`], [`Error::RefreshExpired`], [`Error::RefreshInProgress`]; [`Error::RefreshReused`] after
    /// the session was ended.
    pub async fn refresh(&self, token: &str, idle: TimeDelta, origin: Origin) -> Result<Refreshed> {
        let hash = RefreshToken::hash(token).ok_or(Error::RefreshInvalid)?;
        self.step(async move |store: Self| {
            let now = store.clock.now();
            let mut tx = store.db.begin().await?;
            // an update that changes nothing locks the row on PostgreSQL; SQLite has one writer anyway
            let presented: Option<TokenRow> = tx
                .query("UPDATE refresh_tokens SET children = children WHERE hash = $1 RETURNING id, session_id, expires_at, used_at, children")
                .bind(hash.to_vec())
                .optional()
                .await?;
            let presented = presented.ok_or(Error::RefreshInvalid)?;
            let (session, account) = alive(&mut tx, presented.session_id, now).await?;
            let known = Known { expires_at: presented.expires_at, used_at: presented.used_at, children: presented.children };
            match rotation::judge(known, now) {
                Step::Rotate => {
                    tx.query("UPDATE refresh_tokens SET used_at = $1, children = children + 1 WHERE id = $2")
                        .bind(presented.used_at.unwrap_or(now))
                        .bind(presented.id)
                        .execute()
                        .await?;
                    let expires_at = rotation::expiry(now, idle, session.absolute_expiry);
                    let token = store.issue(&mut tx, &session, Some(presented.id), now, expires_at).await?;
                    store.commit(tx, Changed::default()).await?;
                    Ok(Refreshed { session, account, token })
                }
                Step::InProgress => Err(Error::RefreshInProgress),
                Step::Expired => Err(Error::RefreshExpired),
                Step::Reused => {
                    let ended = row::end_sessions(&mut tx, Ending::Session(session.id), now, RevokeReason::RefreshReused.name()).await?;
                    store.tell_ended(&mut tx, &origin, &ended, RevokeReason::RefreshReused, now).await?;
                    let trace = Trace { object: format!("session:{}", session.id), ..Trace::of("refresh.reused", session.user) };
                    store.trace(&mut tx, &origin, now, trace).await?;
                    store.commit(tx, Changed { ended, ..Changed::default() }).await?;
                    Err(Error::RefreshReused)
                }
            }
        })
        .await
    }
}

/// The session and its account, locked against their end, if both are alive.
async fn alive(tx: &mut Tx, session: Uuid, now: DateTime<Utc>) -> Result<(Session, Account)> {
    let session = row::use_session(tx, session, now)
        .await?
        .ok_or(Error::RefreshInvalid)?;
    let account = row::account(tx, session.user)
        .await?
        .filter(|account| account.active)
        .ok_or(Error::RefreshInvalid)?;
    Ok((session, account))
}
