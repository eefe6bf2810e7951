//! Links that are handed on: made, used once (spec/auth.md rule 21).

use backends::db::Tx;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{UserId, events::RevokeReason};
use uuid::Uuid;

use super::{
    Changed, Store, change::lock, failures::login_key, failures::password_key, row, row::Ending,
    trail::Trace,
};
use crate::{
    error::{Error, Result},
    links::LinkKind,
    model::{Account, Origin},
    names,
};

/// A link that waits to be used. Its token is made of the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Its id.
    pub id: Uuid,
    /// From when on it is good for nothing.
    pub expires_at: DateTime<Utc>,
}

/// A password that somebody chose by a link.
#[derive(Debug)]
pub struct ResetPassword {
    /// The link.
    pub link: Uuid,
    /// Whose.
    pub user: UserId,
    /// The hash to store.
    pub new_hash: String,
}

impl Store {
    /// Makes a link by which the person chooses a new password. One that waits already is void from now on.
    ///
    /// # Errors
    /// [`Error::UserNotFound`]; [`Error::UserInactive`] and [`Error::LoginDisabled`] where no password would let the
    /// person in.
    pub async fn make_reset_link(
        &self,
        user: UserId,
        life: TimeDelta,
        origin: Origin,
    ) -> Result<Link> {
        self.step(async move |store: Self| {
            let now = store.clock.now();
            let mut tx = store.db.begin().await?;
            lock(&mut tx, user).await?;
            let account = row::account(&mut tx, user)
                .await?
                .ok_or(Error::UserNotFound)?;
            if !account.active {
                return Err(Error::UserInactive);
            }
            if !account.login_enabled {
                return Err(Error::LoginDisabled);
            }
            void_resets(&mut tx, user).await?;
            let link = Link {
                id: store.ids.uuid(),
                expires_at: now + life,
            };
            tx.query("INSERT INTO links (id, kind, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)")
                .bind(link.id)
                .bind(LinkKind::Reset.name())
                .bind(user.0)
                .bind(now)
                .bind(link.expires_at)
                .execute()
                .await?;
            store
                .trace(&mut tx, &origin, now, Trace::of("reset_link.made", user))
                .await?;
            store.commit(tx, Changed::default()).await?;
            Ok(link)
        })
        .await
    }

    /// Whose link this is, if it waits to be used.
    ///
    /// # Errors
    /// The store's.
    pub async fn waiting_link(&self, kind: LinkKind, id: Uuid) -> Result<Option<UserId>> {
        let sql = "SELECT user_id FROM links WHERE id = $1 AND kind = $2 AND used_at IS NULL AND expires_at > $3 AND user_id IS NOT NULL";
        let found: Option<(i64,)> = self
            .db
            .query(sql)
            .bind(id)
            .bind(kind.name())
            .bind(self.clock.now())
            .optional()
            .await?;
        Ok(found.map(|row| UserId(row.0)))
    }

    /// Uses a link: stores the password, ends every session and forgets failed logins, in one transaction.
    ///
    /// # Errors
    /// [`Error::LinkGone`] when it was used, has expired or was made void, or the account lets nobody in any more.
    pub async fn reset_password(&self, reset: ResetPassword, origin: Origin) -> Result<()> {
        self.step(async move |store: Self| {
            let now = store.clock.now();
            let user = reset.user;
            let mut tx = store.db.begin().await?;
            // the account before the link, as everywhere: two locks in two orders would wait for each other
            let held = tx
                .query("UPDATE users SET password_hash = $1, must_change = $2 WHERE id = $3 AND active AND login_enabled")
                .bind(reset.new_hash)
                .bind(false)
                .bind(user.0)
                .execute()
                .await?;
            let used = tx
                .query(
                    "UPDATE links SET used_at = $1 WHERE id = $2 AND kind = $3 AND user_id = $4 AND used_at IS NULL AND expires_at > $1",
                )
                .bind(now)
                .bind(reset.link)
                .bind(LinkKind::Reset.name())
                .bind(user.0)
                .execute()
                .await?;
            if held == 0 || used == 0 {
                return Err(Error::LinkGone);
            }
            let account = row::account(&mut tx, user).await?.ok_or(Error::LinkGone)?;
            forget_failures(&mut tx, &account).await?;
            let reason = RevokeReason::PasswordChanged;
            let ended = row::end_sessions(&mut tx, Ending::AllOf(user), now, reason.name()).await?;
            let origin = origin.by(user);
            store.tell_ended(&mut tx, &origin, &ended, reason, now).await?;
            store
                .trace(&mut tx, &origin, now, Trace::of("password.reset", user))
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
}

/// Makes the links by which the person could choose a new password void.
pub(super) async fn void_resets(tx: &mut Tx, user: UserId) -> Result<()> {
    tx.query("DELETE FROM links WHERE user_id = $1 AND kind = $2 AND used_at IS NULL")
        .bind(user.0)
        .bind(LinkKind::Reset.name())
        .execute()
        .await?;
    Ok(())
}

/// Whoever asked for a link because of a lock gets in with the new password at once.
async fn forget_failures(tx: &mut Tx, account: &Account) -> Result<()> {
    let mut keys = vec![
        login_key(&names::normalised(&account.username)),
        password_key(account.id),
    ];
    keys.extend(
        account
            .email
            .as_deref()
            .map(|email| login_key(&names::normalised(email))),
    );
    for key in keys {
        tx.query("DELETE FROM login_failures WHERE key_hash = $1")
            .bind(key.to_vec())
            .execute()
            .await?;
    }
    Ok(())
}
