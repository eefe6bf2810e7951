//! Accounts: made, changed, given roles, deactivated.

use backends::{db::Tx, idempotency};
use chrono::{DateTime, Utc};
use contracts::{
    Role, UserId,
    events::{RevokeReason, User, UserEventKind},
};

use super::{
    Changed, NewPassword, Store, links::void_resets, roles::grant, row, row::Ending, trail::Trace,
};
use crate::{
    error::{Error, Result},
    model::{Account, NewAccount, Origin},
    names,
};

/// What a login is checked against.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Credential {
    /// The account.
    pub id: i64,
    /// As stored; none: nobody can log in.
    pub password_hash: Option<String>,
    /// Whether the next thing to do is a new password.
    pub must_change: bool,
    /// Whether it is active and may log in.
    pub usable: bool,
}

/// An `Idempotency-Key` with what it stands for.
#[derive(Debug, Clone)]
pub struct Once {
    /// Whose key.
    pub owner: String,
    /// The key.
    pub key: String,
    /// The request's bytes; only their hash is kept.
    pub request: Vec<u8>,
}

impl Store {
    /// Makes an account.
    ///
    /// # Errors
    /// [`Error::UserExists`] when the address or the username is taken; a used key with another request.
    pub async fn create(
        &self,
        new: NewAccount,
        origin: Origin,
        once: Option<Once>,
    ) -> Result<User> {
        self.step(async move |store: Self| {
            let now = store.clock.now();
            let mut tx = store.db.begin().await?;
            if let Some(once) = &once {
                match idempotency::begin(&mut tx, &once.owner, &once.key, &once.request, now)
                    .await?
                {
                    idempotency::Outcome::Fresh => {}
                    idempotency::Outcome::Replay(result) => {
                        tx.rollback().await?;
                        store.db.synced().await?;
                        return serde_json::from_str(&result)
                            .map_err(|error| Error::Problem(kit::Problem::internal(error)));
                    }
                    idempotency::Outcome::Mismatch => {
                        return Err(Error::Problem(idempotency::mismatch()));
                    }
                }
            }
            let account = store.insert(&mut tx, &new, &origin, now).await?;
            let user = account.user();
            if let Some(once) = &once {
                let result = serde_json::to_string(&user)
                    .map_err(|error| Error::Problem(kit::Problem::internal(error)))?;
                idempotency::finish(&mut tx, &once.owner, &once.key, &result).await?;
            }
            store
                .commit(
                    tx,
                    Changed {
                        account: Some(account),
                        ..Changed::default()
                    },
                )
                .await?;
            Ok(user)
        })
        .await
    }

    /// The rows, the event and the audit entry of a new account.
    pub(super) async fn insert(
        &self,
        tx: &mut Tx,
        new: &NewAccount,
        origin: &Origin,
        now: DateTime<Utc>,
    ) -> Result<Account> {
        let id: i64 = tx
            .query("UPDATE counters SET next = next + 1 WHERE name = $1 RETURNING next")
            .bind("users")
            .scalar()
            .await?;
        let account = Account {
            id: UserId(id),
            email: new.email.as_deref().map(names::kept),
            username: names::kept(&new.username),
            first_name: names::kept(&new.first_name),
            last_name: names::kept(&new.last_name),
            roles: new.roles,
            active: true,
            login_enabled: true,
            version: 1,
            created_at: now,
        };
        // the database judges uniqueness: of 64 who ask at once, one gets a row
        let inserted: Option<(i64,)> = tx
            .query(
                "INSERT INTO users (id, email, email_norm, username, username_norm, first_name, last_name, active, login_enabled, \
                 password_hash, must_change, roles_version, version, created_at, search) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, 1, $12, $13) ON CONFLICT DO NOTHING RETURNING id",
            )
            .bind(id)
            .bind(account.email.clone())
            .bind(account.email.as_deref().map(names::normalised))
            .bind(account.username.clone())
            .bind(names::normalised(&account.username))
            .bind(account.first_name.clone())
            .bind(account.last_name.clone())
            .bind(account.active)
            .bind(account.login_enabled)
            .bind(new.password_hash.clone())
            .bind(false)
            .bind(now)
            .bind(account.search())
            .optional()
            .await?;
        if inserted.is_none() {
            return Err(Error::UserExists);
        }
        for role in new.roles.iter().filter(|role| *role != Role::Member) {
            grant(tx, account.id, role, origin, None, now).await?;
        }
        self.tell(tx, UserEventKind::Created, &account, now).await?;
        self.trace(
            tx,
            origin,
            now,
            Trace::of("user.created", account.id).changed(None, Some(&account)),
        )
        .await?;
        Ok(account)
    }

    /// Stores a new password, ends the other sessions and makes reset links void, in one transaction.
    ///
    /// # Errors
    /// [`Error::Stale`] when the hash that was checked is not the stored one any more.
    pub async fn change_password(&self, new: NewPassword, origin: Origin) -> Result<()> {
        self.step(async move |store: Self| {
            let now = store.clock.now();
            let mut tx = store.db.begin().await?;
            let changed = tx
                .query("UPDATE users SET password_hash = $1, must_change = $2 WHERE id = $3 AND password_hash = $4 AND active")
                .bind(new.new_hash)
                .bind(false)
                .bind(new.user.0)
                .bind(new.old_hash)
                .execute()
                .await?;
            if changed == 0 {
                return Err(Error::HashChanged);
            }
            void_resets(&mut tx, new.user).await?;
            let ended = row::end_sessions(&mut tx, Ending::OthersOf(new.user, new.keep), now, RevokeReason::PasswordChanged.name()).await?;
            store.tell_ended(&mut tx, &origin, &ended, RevokeReason::PasswordChanged, now).await?;
            store.trace(&mut tx, &origin, now, Trace::of("password.changed", new.user)).await?;
            store.commit(tx, Changed { ended, ..Changed::default() }).await
        })
        .await
    }

    /// What a login by this name is checked against: the username first, then, where it looks like one, the address.
    ///
    /// # Errors
    /// The store's.
    pub async fn credential(&self, normalised: &str) -> Result<Option<Credential>> {
        let found = self
            .db
            .query(
                "SELECT id, password_hash, must_change, (active AND login_enabled) AS usable FROM users \
                 WHERE username_norm = $1 OR email_norm = $1 ORDER BY (username_norm = $1) DESC LIMIT 1",
            )
            .bind(normalised.to_owned())
            .optional()
            .await?;
        Ok(found)
    }

    /// The same for an account that is known.
    ///
    /// # Errors
    /// The store's.
    pub async fn credential_of(&self, user: UserId) -> Result<Option<Credential>> {
        let sql = "SELECT id, password_hash, must_change, (active AND login_enabled) AS usable FROM users WHERE id = $1";
        Ok(self.db.query(sql).bind(user.0).optional().await?)
    }
}
