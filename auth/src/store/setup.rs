//! The token for the first administrator (spec/auth.md rule 22).

use backends::db;
use contracts::UserId;
use sha2::{Digest as _, Sha256};

use super::{
    Changed, Store,
    roles::{lock_admins, other_admins},
};
use crate::{
    error::{Error, Result},
    model::{Account, NewAccount, Origin},
};

fn hashed(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

impl Store {
    /// Whether this token is the one that is waiting to be used.
    ///
    /// # Errors
    /// The store's.
    pub async fn setup_token_waits(&self, token: &str) -> std::result::Result<bool, db::Error> {
        let sql = "SELECT COUNT(*) FROM setup WHERE hash = $1 AND used_at IS NULL";
        Ok(self
            .db
            .query(sql)
            .bind(hashed(token))
            .scalar::<i64>()
            .await?
            > 0)
    }

    /// Makes this token the only one that is good.
    ///
    /// # Errors
    /// The store's.
    pub async fn set_setup_token(&self, token: &str) -> std::result::Result<(), db::Error> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        tx.query("DELETE FROM setup WHERE used_at IS NULL")
            .execute()
            .await?;
        tx.query("INSERT INTO setup (hash, created_at) VALUES ($1, $2)")
            .bind(hashed(token))
            .bind(now)
            .execute()
            .await?;
        tx.commit().await
    }

    /// Makes the first administrator, once.
    ///
    /// # Errors
    /// [`Error::AlreadySetUp`] when there is an active administrator, [`Error::SetupTokenInvalid`], [`Error::UserExists`].
    pub async fn create_first_admin(
        &self,
        token: &str,
        new: NewAccount,
        origin: Origin,
    ) -> Result<Account> {
        let hash = hashed(token);
        self.step(async move |store: Self| {
            let now = store.clock.now();
            let mut tx = store.db.begin().await?;
            lock_admins(&mut tx).await?;
            if other_admins(&mut tx, UserId(0)).await? > 0 {
                return Err(Error::AlreadySetUp);
            }
            let used = tx
                .query("UPDATE setup SET used_at = $1 WHERE hash = $2 AND used_at IS NULL")
                .bind(now)
                .bind(hash)
                .execute()
                .await?;
            if used == 0 {
                return Err(Error::SetupTokenInvalid);
            }
            let account = store.insert(&mut tx, &new, &origin, now).await?;
            store
                .commit(
                    tx,
                    Changed {
                        account: Some(account.clone()),
                        ..Changed::default()
                    },
                )
                .await?;
            Ok(account)
        })
        .await
    }
}
