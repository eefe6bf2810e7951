//! What accounts say: a shell for each, and its name for people who say nothing about theirs.

use contracts::UserId;

use super::{Store, TURNS, rows};
use crate::error::Error;
use crate::model::{Account, Fields, Profile, Standing};

pub(super) async fn note(store: &Store, user: UserId, account: Account) -> Result<(), Error> {
    let now = store.clock.now();
    let shell = Profile {
        user_id: user,
        standing: Standing::Shell,
        fields: Fields::default(),
        account: account.clone(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    for _ in 0..TURNS {
        let mut tx = store.db.begin().await?;
        if rows::insert(&mut tx, &shell).await? {
            store.tell(&mut tx, None, &shell).await?;
            return Ok(tx.commit().await?);
        }
        let read = rows::find(tx.query(rows::BY_USER), user)
            .await?
            .ok_or(Error::Contended)?;
        if read.account.version >= account.version {
            return Ok(tx.rollback().await?);
        }
        let mut next = Profile {
            account: account.clone(),
            ..read.clone()
        };
        // What nobody sees is no change: a name that stands behind the person's own is only kept for later.
        if next.told() != read.told() {
            next.version += 1;
            next.updated_at = now.max(read.updated_at);
        }
        if rows::update(&mut tx, &read, &next).await? {
            if next.version > read.version {
                store.tell(&mut tx, Some(&read), &next).await?;
            }
            return Ok(tx.commit().await?);
        }
        tx.rollback().await?;
    }
    Err(Error::Contended)
}
