//! What an account is called and whether its person may log in: changed by the person or an administrator.

use backends::db::{self, Tx};
use chrono::{DateTime, Utc};
use contracts::{
    UserId,
    events::{RevokeReason, UserEventKind},
};

use super::{
    Changed, Store,
    roles::{lock_admins, needs_another_admin},
    row,
    row::Ending,
    trail::Trace,
};
use crate::{
    error::{Error, Result},
    model::{Account, Origin},
    names,
};

/// What changes of an account; none: stays.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Username.
    pub username: Option<String>,
    /// The address, or that there is none any more.
    pub email: Option<Option<String>>,
    /// Whether the person may log in. Turning it off ends every session.
    pub login_enabled: Option<bool>,
}

impl Changes {
    /// The account with the changes.
    fn of(&self, before: &Account) -> Account {
        let kept = |new: &Option<String>, old: &str| {
            new.as_deref().map_or_else(|| old.to_owned(), names::kept)
        };
        Account {
            first_name: kept(&self.first_name, &before.first_name),
            last_name: kept(&self.last_name, &before.last_name),
            username: kept(&self.username, &before.username),
            email: match &self.email {
                Some(email) => email.as_deref().map(names::kept),
                None => before.email.clone(),
            },
            login_enabled: self.login_enabled.unwrap_or(before.login_enabled),
            ..before.clone()
        }
    }
}

impl Store {
    /// Changes an account, if it is still at `version` (none: whatever it is at). What changes nothing leaves no trace.
    ///
    /// # Errors
    /// [`Error::Stale`], [`Error::UserExists`] when the username or the address is taken, [`Error::UserNotFound`],
    /// [`Error::UserInactive`], [`Error::LastAdmin`] when the last administrator would be locked out.
    pub async fn change(
        &self,
        user: UserId,
        version: Option<i64>,
        changes: Changes,
        origin: Origin,
    ) -> Result<Account> {
        self.step(async move |store: Self| {
            let now = store.clock.now();
            let mut tx = store.db.begin().await?;
            if changes.login_enabled == Some(false) {
                lock_admins(&mut tx).await?;
            }
            lock(&mut tx, user).await?;
            let before = row::account(&mut tx, user)
                .await?
                .ok_or(Error::UserNotFound)?;
            if version.is_some_and(|version| version != before.version) {
                return Err(Error::Stale(before.version));
            }
            if !before.active {
                return Err(Error::UserInactive);
            }
            let mut after = changes.of(&before);
            if after == before {
                return Ok(before);
            }
            after.version += 1;
            let shut_out = before.login_enabled && !after.login_enabled;
            if shut_out && before.is_active_admin() {
                needs_another_admin(&mut tx, user).await?;
            }
            write(&mut tx, &before, &after).await?;
            // after the row is written: a login that came before has its session by now, a later one finds the row
            let ended = if shut_out {
                end_all(&store, &mut tx, user, &origin, now).await?
            } else {
                Vec::new()
            };
            store
                .tell(&mut tx, UserEventKind::Updated, &after, now)
                .await?;
            let trace = Trace::of("user.updated", user).changed(Some(&before), Some(&after));
            store.trace(&mut tx, &origin, now, trace).await?;
            store
                .commit(
                    tx,
                    Changed {
                        account: Some(after.clone()),
                        ended,
                        ..Changed::default()
                    },
                )
                .await?;
            Ok(after)
        })
        .await
    }
}

/// Lets nobody change the account before this transaction ends; what is read of it from now on stays true.
pub(super) async fn lock(tx: &mut Tx, user: UserId) -> Result<()> {
    tx.query("UPDATE users SET version = version WHERE id = $1")
        .bind(user.0)
        .execute()
        .await?;
    Ok(())
}

async fn write(tx: &mut Tx, before: &Account, after: &Account) -> Result<()> {
    let sql = "UPDATE users SET first_name = $1, last_name = $2, username = $3, username_norm = $4, email = $5, email_norm = $6, \
               login_enabled = $7, version = $8, search = $9 WHERE id = $10";
    let taken = |error: db::Error| match error {
        db::Error::Unique => Error::UserExists,
        error => error.into(),
    };
    tx.query(sql)
        .bind(after.first_name.clone())
        .bind(after.last_name.clone())
        .bind(after.username.clone())
        .bind(names::normalised(&after.username))
        .bind(after.email.clone())
        .bind(after.email.as_deref().map(names::normalised))
        .bind(after.login_enabled)
        .bind(after.version)
        .bind(after.search())
        .bind(after.id.0)
        .execute()
        .await
        .map_err(taken)?;
    if before.email.as_deref().map(names::normalised)
        != after.email.as_deref().map(names::normalised)
    {
        // whoever proved the old address has not proved this one
        tx.query("UPDATE users SET email_verified_at = NULL WHERE id = $1")
            .bind(after.id.0)
            .execute()
            .await?;
    }
    Ok(())
}

async fn end_all(
    store: &Store,
    tx: &mut Tx,
    user: UserId,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<Vec<crate::model::Session>> {
    let reason = RevokeReason::Revoked;
    let ended = row::end_sessions(tx, Ending::AllOf(user), now, reason.name()).await?;
    store.tell_ended(tx, origin, &ended, reason, now).await?;
    Ok(ended)
}
