//! What people do with their own profile. The version it was read at is part of the statement, so that of two who read the
//! same one wins, on either database.

use backends::audit;
use contracts::UserId;

use super::{Actor, Store, TURNS, rows};
use crate::error::Error;
use crate::model::{Account, Fields, Profile, Standing};

pub(super) async fn create(
    store: &Store,
    user: UserId,
    username: &str,
    fields: Fields,
) -> Result<Profile, Error> {
    let now = store.clock.now();
    let new = Profile {
        user_id: user,
        standing: Standing::Filled,
        fields: fields.clone(),
        account: Account {
            name: username.to_owned(),
            version: 0,
            gone: false,
        },
        version: 1,
        created_at: now,
        updated_at: now,
    };
    for _ in 0..TURNS {
        let mut tx = store.db.begin().await?;
        if rows::insert(&mut tx, &new).await? {
            store.tell(&mut tx, None, &new).await?;
            tx.commit().await?;
            return Ok(new);
        }
        let read = rows::find(tx.query(rows::BY_USER), user)
            .await?
            .ok_or(Error::Contended)?;
        if read.is_filled() {
            tx.rollback().await?;
            return Err(Error::Exists);
        }
        if read.account.gone {
            tx.rollback().await?;
            return Err(Error::NotFound);
        }
        // For its owner it begins now, whenever its shell was made.
        let at = now.max(read.updated_at);
        let filled = Profile {
            standing: Standing::Filled,
            fields: fields.clone(),
            account: read.account.clone(),
            version: read.version + 1,
            created_at: at,
            updated_at: at,
            ..read
        };
        if rows::update(&mut tx, &read, &filled).await? {
            store.tell(&mut tx, Some(&read), &filled).await?;
            tx.commit().await?;
            return Ok(filled);
        }
        tx.rollback().await?;
    }
    Err(Error::Contended)
}

pub(super) async fn change(
    store: &Store,
    read: &Profile,
    fields: Fields,
) -> Result<Option<Profile>, Error> {
    let next = Profile {
        fields,
        version: read.version + 1,
        updated_at: store.clock.now().max(read.updated_at),
        ..read.clone()
    };
    let mut tx = store.db.begin().await?;
    if !rows::update(&mut tx, read, &next).await? {
        tx.rollback().await?;
        return Ok(None);
    }
    store.tell(&mut tx, Some(read), &next).await?;
    tx.commit().await?;
    Ok(Some(next))
}

pub(super) async fn remove(store: &Store, read: &Profile, actor: Actor) -> Result<bool, Error> {
    let next = Profile {
        standing: Standing::Deleted,
        fields: Fields::default(),
        version: read.version + 1,
        updated_at: store.clock.now().max(read.updated_at),
        ..read.clone()
    };
    let mut tx = store.db.begin().await?;
    if !rows::update(&mut tx, read, &next).await? {
        tx.rollback().await?;
        return Ok(false);
    }
    store.tell(&mut tx, Some(read), &next).await?;
    audit::put(&mut tx, store.entry("profile.deleted", &next, actor)).await?;
    tx.commit().await?;
    Ok(true)
}
