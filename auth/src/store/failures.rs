//! Failed logins per name (spec/auth.md rule 19).

use backends::db::Tx;
use chrono::{DateTime, Utc};
use contracts::UserId;
use sha2::{Digest as _, Sha256};

use super::{Store, trail::Trace};
use crate::{
    error::{Error, Result},
    lockout::Failures,
    model::Origin,
};

/// The key of a login name, known or not: a hash, so that the table names nobody.
#[must_use]
pub fn login_key(normalised: &str) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"login:")
        .chain_update(normalised.as_bytes())
        .finalize()
        .into()
}

/// The key of an account's present password, asked for when it is changed. Apart from all login names: failed logins
/// as "user:7" must not keep the holder of account 7 from changing the password.
#[must_use]
pub fn password_key(user: UserId) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"password:")
        .chain_update(user.0.to_be_bytes())
        .finalize()
        .into()
}

const COUNTER: &str =
    "SELECT window_start, count, locked_until FROM login_failures WHERE key_hash = $1";

/// How many seconds the name stays locked, as the transaction sees it.
pub(super) async fn locked_in(
    tx: &mut Tx,
    key: [u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<u64>> {
    let counter: Option<Failures> = tx.query(COUNTER).bind(key.to_vec()).optional().await?;
    Ok(counter.and_then(|counter| counter.locked_for(now)))
}

impl Store {
    /// How many seconds the name stays locked; `None`: it is not.
    ///
    /// # Errors
    /// The store's.
    pub async fn locked_for(&self, key: [u8; 32], now: DateTime<Utc>) -> Result<Option<u64>> {
        let counter: Option<Failures> =
            self.db.query(COUNTER).bind(key.to_vec()).optional().await?;
        Ok(counter.and_then(|counter| counter.locked_for(now)))
    }

    /// Counts one more failure of a name; `user` is whose name it is, if anybody's. Answers the lock it leads to.
    ///
    /// # Errors
    /// [`Error::Locked`] when the name was locked meanwhile, by guesses on other instances: this one then counts for
    /// nothing and says nothing, as if it had come later.
    pub async fn count_failure(
        &self,
        key: [u8; 32],
        user: Option<UserId>,
        origin: Origin,
    ) -> Result<Option<u64>> {
        self.step(async move |store: Self| {
            let now = store.clock.now();
            let mut tx = store.db.begin().await?;
            // an insert that meets a row locks it on PostgreSQL; a count of 0 is a new row
            let before: Failures = tx
                .query(
                    "INSERT INTO login_failures (key_hash, window_start, count) VALUES ($1, $2, 0) \
                     ON CONFLICT (key_hash) DO UPDATE SET count = login_failures.count RETURNING window_start, count, locked_until",
                )
                .bind(key.to_vec())
                .bind(now)
                .one()
                .await?;
            if let Some(seconds) = before.locked_for(now) {
                return Err(Error::Locked(seconds));
            }
            let after = Failures::after_failure(Some(before).filter(|counter| counter.count > 0), now);
            tx.query("UPDATE login_failures SET window_start = $1, count = $2, locked_until = $3 WHERE key_hash = $4")
                .bind(after.window_start)
                .bind(after.count)
                .bind(after.locked_until)
                .bind(key.to_vec())
                .execute()
                .await?;
            let locked = after.locked_for(now);
            let action = if locked.is_some() { "login.locked" } else { "login.failed" };
            // an unknown name may be a password typed into the wrong field: it is not written down
            let object = user.map_or_else(|| "login:unknown".to_owned(), |user| format!("user:{user}"));
            let trace = Trace { action, object, reason: None, before: None, after: None };
            store.trace(&mut tx, &origin, now, trace).await?;
            tx.commit().await?;
            Ok(locked)
        })
        .await
    }
}
