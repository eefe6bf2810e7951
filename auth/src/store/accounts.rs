//! Accounts: made, changed, given roles, deactivated.

use backends::{
    db::{self, Tx},
    idempotency,
};
use chrono::{DateTime, Utc};
use contracts::{
    Role, UserId,
    events::{RevokeReason, User, UserEventKind},
};

use super::{Changed, NewPassword, Store, roles::grant, row, row::Ending, trail::Trace};
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

/// What a person changes of their own account; none: stays.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Username.
    pub username: Option<String>,
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
        let email = new.email.as_deref().map(names::kept);
        let username = names::kept(&new.username);
        // the database judges uniqueness: of 64 who ask at once, one gets a row
        let inserted: Option<(i64,)> = tx
            .query(
                "INSERT INTO users (id, email, email_norm, username, username_norm, first_name, last_name, active, login_enabled, \
                 password_hash, must_change, roles_version, version, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, 1, $12) ON CONFLICT DO NOTHING RETURNING id",
            )
            .bind(id)
            .bind(email.clone())
            .bind(email.as_deref().map(names::normalised))
            .bind(username.clone())
            .bind(names::normalised(&username))
            .bind(names::kept(&new.first_name))
            .bind(names::kept(&new.last_name))
            .bind(true)
            .bind(true)
            .bind(new.password_hash.clone())
            .bind(false)
            .bind(now)
            .optional()
            .await?;
        if inserted.is_none() {
            return Err(Error::UserExists);
        }
        let account = Account {
            id: UserId(id),
            email,
            username,
            first_name: names::kept(&new.first_name),
            last_name: names::kept(&new.last_name),
            roles: new.roles,
            active: true,
            version: 1,
            created_at: now,
        };
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

    /// Changes names, if the account is still at `version`.
    ///
    /// # Errors
    /// [`Error::Stale`], [`Error::UserExists`] when the username is taken, [`Error::UserNotFound`].
    pub async fn change(
        &self,
        user: UserId,
        version: i64,
        changes: Changes,
        origin: Origin,
    ) -> Result<Account> {
        self.step(async move |store: Self| {
            let now = store.clock.now();
            let mut tx = store.db.begin().await?;
            let before = row::account(&mut tx, user).await?.ok_or(Error::UserNotFound)?;
            if before.version != version {
                return Err(Error::Stale(before.version));
            }
            let kept = |new: Option<String>, old: &str| new.map_or_else(|| old.to_owned(), |new| names::kept(&new));
            let after = Account {
                first_name: kept(changes.first_name, &before.first_name),
                last_name: kept(changes.last_name, &before.last_name),
                username: kept(changes.username, &before.username),
                version: version + 1,
                ..before.clone()
            };
            let updated = tx
                .query(
                    "UPDATE users SET first_name = $1, last_name = $2, username = $3, username_norm = $4, version = version + 1 \
                     WHERE id = $5 AND version = $6",
                )
                .bind(after.first_name.clone())
                .bind(after.last_name.clone())
                .bind(after.username.clone())
                .bind(names::normalised(&after.username))
                .bind(user.0)
                .bind(version)
                .execute()
                .await
                .map_err(|error| if matches!(error, db::Error::Unique) { Error::UserExists } else { error.into() })?;
            if updated == 0 {
                // changed between the read and the write, which PostgreSQL allows
                return Err(Error::Stale(version + 1));
            }
            store.tell(&mut tx, UserEventKind::Updated, &after, now).await?;
            store.trace(&mut tx, &origin, now, Trace::of("user.updated", user).changed(Some(&before), Some(&after))).await?;
            store.commit(tx, Changed { account: Some(after.clone()), ..Changed::default() }).await?;
            Ok(after)
        })
        .await
    }

    /// Stores a new password and ends the other sessions, in one transaction.
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
