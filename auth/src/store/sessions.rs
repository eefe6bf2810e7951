//! Sessions: opened by a login, ended by their holder, an administrator or a change of password.

use backends::db::Tx;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{UserId, events::RevokeReason};
use uuid::Uuid;

use super::{Changed, Store, Which, failures, row, row::Ending, trail::Trace};
use crate::{
    device,
    error::{Error, Result},
    model::{Origin, Session},
    rotation,
    secrets::RefreshToken,
};

/// What a login proved.
#[derive(Debug)]
pub struct Proof {
    /// The hash that matched; another one by now, and the login is checked anew.
    pub hash: String,
    /// What to store instead (rule 16).
    pub rehashed: Option<String>,
    /// Only the first 72 bytes were proven (rule 16).
    pub must_change: bool,
    /// The counter to clear ([`super::login_key`]).
    pub name_key: [u8; 32],
}

/// A session to be opened.
#[derive(Debug)]
pub struct NewSession {
    /// Whose.
    pub user: UserId,
    /// What the person proved; none: the setup token.
    pub proof: Option<Proof>,
    /// Idle life of the refresh token.
    pub idle: TimeDelta,
    /// Longest life of the session.
    pub absolute: TimeDelta,
    /// With what the person came.
    pub user_agent: Option<String>,
}

impl Store {
    /// Opens a session after a login, with its first refresh token. A password hash that is due is replaced in the same
    /// transaction, and only if nobody changed it meanwhile.
    ///
    /// # Errors
    /// [`Error::HashChanged`] when the password changed since it was checked or the account is not active any more;
    /// [`Error::Locked`] when the name was locked meanwhile, by guesses on other instances.
    pub async fn open_session(
        &self,
        new: NewSession,
        origin: Origin,
    ) -> Result<(Session, RefreshToken)> {
        self.step(async move |store: Self| {
            let now = store.clock.now();
            let mut tx = store.db.begin().await?;
            if let Some(proof) = &new.proof {
                accept(&mut tx, new.user, proof, now).await?;
            }
            let session = Session {
                id: store.ids.uuid(),
                user: new.user,
                created_at: now,
                last_seen_at: now,
                absolute_expiry: now + new.absolute,
                ip: origin.address.map(|address| address.to_string()),
                user_agent: new.user_agent.as_deref().map(device::kept),
                label: new.user_agent.as_deref().and_then(device::label),
            };
            insert_session(&mut tx, &session).await?;
            let expires_at = rotation::expiry(now, new.idle, session.absolute_expiry);
            let token = store
                .issue(&mut tx, &session, None, now, expires_at)
                .await?;
            let trace = Trace {
                object: format!("session:{}", session.id),
                ..Trace::of("login.ok", new.user)
            };
            store
                .trace(&mut tx, &origin.by(new.user), now, trace)
                .await?;
            store
                .commit(
                    tx,
                    Changed {
                        opened: Some(session.clone()),
                        ..Changed::default()
                    },
                )
                .await?;
            Ok((session, token))
        })
        .await
    }

    /// Ends sessions of a person.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] when one is meant and it is not a living session of this person.
    pub async fn end(
        &self,
        user: UserId,
        which: Which,
        reason: RevokeReason,
        origin: Origin,
    ) -> Result<()> {
        self.step(async move |store: Self| {
            let now = store.clock.now();
            let mut tx = store.db.begin().await?;
            let ending = match which {
                Which::One(id) => Ending::SessionOf(id, user),
                Which::All => Ending::AllOf(user),
            };
            let ended = row::end_sessions(&mut tx, ending, now, reason.name()).await?;
            if ended.is_empty() {
                return if matches!(which, Which::One(_)) {
                    Err(Error::SessionNotFound)
                } else {
                    Ok(())
                };
            }
            store
                .tell_ended(&mut tx, &origin, &ended, reason, now)
                .await?;
            store
                .commit(
                    tx,
                    Changed {
                        ended,
                        ..Changed::default()
                    },
                )
                .await
        })
        .await
    }

    /// The sessions of a person, newest first, with their last use as the copy in memory knows it.
    ///
    /// # Errors
    /// The store's.
    pub async fn sessions(&self, user: UserId) -> Result<Vec<Session>> {
        let mut sessions = row::sessions_of(&self.db, user, self.clock.now()).await?;
        for session in &mut sessions {
            if let Some(live) = self.memory.session(session.id) {
                session.last_seen_at = session.last_seen_at.max(live.last_seen());
            }
        }
        Ok(sessions)
    }

    /// The same shown to somebody else, who is written down before it is answered.
    ///
    /// # Errors
    /// The store's.
    pub async fn sessions_shown(&self, user: UserId, origin: Origin) -> Result<Vec<Session>> {
        self.step(async move |store: Self| {
            let mut tx = store.db.begin().await?;
            let trace = Trace::of("sessions.read", user);
            store
                .trace(&mut tx, &origin, store.clock.now(), trace)
                .await?;
            store.commit(tx, Changed::default()).await?;
            store.sessions(user).await
        })
        .await
    }

    /// The session that a refresh token belongs to, whoever shows it.
    ///
    /// # Errors
    /// The store's.
    pub async fn session_of_token(&self, token: &str, user: UserId) -> Result<Option<Uuid>> {
        let Some(hash) = RefreshToken::hash(token) else {
            return Ok(None);
        };
        let sql = "SELECT s.id FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.hash = $1 AND s.user_id = $2";
        let found: Option<(Uuid,)> = self
            .db
            .query(sql)
            .bind(hash.to_vec())
            .bind(user.0)
            .optional()
            .await?;
        Ok(found.map(|row| row.0))
    }

    /// A new refresh token of a session; only its hash is written.
    pub(super) async fn issue(
        &self,
        tx: &mut Tx,
        session: &Session,
        parent: Option<Uuid>,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<RefreshToken> {
        let token = RefreshToken::new(self.ids.secret(), expires_at);
        tx.query(
            "INSERT INTO refresh_tokens (id, session_id, hash, parent_id, issued_at, expires_at, children) VALUES ($1, $2, $3, $4, $5, $6, 0)",
        )
        .bind(self.ids.uuid())
        .bind(session.id)
        .bind(token.stored().to_vec())
        .bind(parent)
        .bind(now)
        .bind(expires_at)
        .execute()
        .await?;
        Ok(token)
    }
}

async fn accept(tx: &mut Tx, user: UserId, proof: &Proof, now: DateTime<Utc>) -> Result<()> {
    // also without a rehash the row is written: a deactivation or password change that runs now comes before or after
    let held = tx
        .query(
            "UPDATE users SET password_hash = $1, must_change = (must_change OR $2) \
             WHERE id = $3 AND password_hash = $4 AND active AND login_enabled",
        )
        .bind(proof.rehashed.clone().unwrap_or_else(|| proof.hash.clone()))
        .bind(proof.must_change)
        .bind(user.0)
        .bind(proof.hash.clone())
        .execute()
        .await?;
    if held == 0 {
        return Err(Error::HashChanged);
    }
    let sql = "DELETE FROM login_failures WHERE key_hash = $1 AND (locked_until IS NULL OR locked_until <= $2)";
    let cleared = tx
        .query(sql)
        .bind(proof.name_key.to_vec())
        .bind(now)
        .execute()
        .await?;
    if cleared == 0
        && let Some(seconds) = failures::locked_in(tx, proof.name_key, now).await?
    {
        return Err(Error::Locked(seconds));
    }
    Ok(())
}

async fn insert_session(tx: &mut Tx, session: &Session) -> Result<()> {
    tx.query(
        "INSERT INTO sessions (id, user_id, created_at, last_seen_at, absolute_expiry, ip, user_agent, label) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(session.id)
    .bind(session.user.0)
    .bind(session.created_at)
    .bind(session.last_seen_at)
    .bind(session.absolute_expiry)
    .bind(session.ip.clone())
    .bind(session.user_agent.clone())
    .bind(session.label.clone())
    .execute()
    .await?;
    Ok(())
}
