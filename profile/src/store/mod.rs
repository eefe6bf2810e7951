//! Where profiles are kept: one SQL text for SQLite and PostgreSQL. One method is one business step: one transaction, with
//! its event and its audit row; it is on disk when it returns.

mod account;
mod own;
mod rows;
mod shown;

use backends::audit::Entry;
use backends::db::{Db, Tx};
use backends::outbox;
use contracts::UserId;
use kit::clock::SharedClock;
use kit::ids::SharedIds;

pub use shown::{Reach, Shown};

use crate::error::Error;
use crate::model::{Account, Fields, Profile};

/// How often a step is tried again because somebody else changed the same row first. Each time one of the others has had
/// its turn.
pub(crate) const TURNS: usize = 200;

/// Profiles in SQLite or PostgreSQL.
#[derive(Clone, Debug)]
pub struct Store {
    db: Db,
    clock: SharedClock,
    ids: SharedIds,
}

/// Who does it, for the audit.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The person.
    pub user: UserId,
    /// Where the request came from, if known.
    pub from: Option<String>,
    /// The request.
    pub request_id: Option<String>,
}

impl Store {
    /// Brings the tables up to this version.
    ///
    /// # Errors
    /// The database cannot be reached, or holds a newer schema.
    pub async fn open(
        db: Db,
        clock: SharedClock,
        ids: SharedIds,
    ) -> Result<Self, backends::db::Error> {
        db.migrate(&sqlx::migrate!("./migrations")).await?;
        Ok(Self { db, clock, ids })
    }

    /// Fills a person's profile: a new one, the shell their account made, or one they had deleted. `username` is what they
    /// are called until their account's event says more.
    ///
    /// # Errors
    /// [`Error::Exists`] when it is filled; [`Error::NotFound`] when the account is gone.
    pub async fn create(
        &self,
        user: UserId,
        username: &str,
        fields: Fields,
    ) -> Result<Profile, Error> {
        own::create(self, user, username, fields).await
    }

    /// A person's own profile; `None` while it is not filled.
    ///
    /// # Errors
    /// The store cannot answer.
    pub async fn own(&self, user: UserId) -> Result<Option<Profile>, Error> {
        Ok(rows::find(self.db.query(rows::BY_USER), user)
            .await?
            .filter(Profile::is_filled))
    }

    /// Changes a profile that still is as it was read. `None`: somebody else was first.
    ///
    /// # Errors
    /// The store cannot answer.
    pub async fn change(&self, read: &Profile, fields: Fields) -> Result<Option<Profile>, Error> {
        own::change(self, read, fields).await
    }

    /// Ends a profile that still is as it was read: nothing of it stays but its version. `false`: somebody else was first.
    ///
    /// # Errors
    /// The store cannot answer.
    pub async fn remove(&self, read: &Profile, actor: Actor) -> Result<bool, Error> {
        own::remove(self, read, actor).await
    }

    /// Notes the state of an account, and makes the shell of a new one. An older state than the one that is known changes
    /// nothing.
    ///
    /// # Errors
    /// The store cannot answer.
    pub async fn account(&self, user: UserId, account: Account) -> Result<(), Error> {
        account::note(self, user, account).await
    }

    /// What these people are called, as far as they are in reach, by id.
    ///
    /// # Errors
    /// The store cannot answer.
    pub async fn shown(&self, users: &[UserId], reach: Reach) -> Result<Vec<Shown>, Error> {
        shown::shown(&self.db, users, reach).await
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn check(&self) -> Result<(), Error> {
        Ok(self.db.check().await?)
    }

    /// Tells others of a change, in its transaction.
    async fn tell(
        &self,
        tx: &mut Tx,
        before: Option<&Profile>,
        after: &Profile,
    ) -> Result<(), Error> {
        if let Some(event) = after.event(before) {
            outbox::put(tx, &event.message(self.ids.uuid(), after.updated_at)).await?;
        }
        Ok(())
    }

    /// An audit entry about the profile by its owner. It holds nothing the person said.
    fn entry(&self, action: &'static str, after: &Profile, actor: Actor) -> Entry<'_> {
        Entry {
            actor: Some(actor.user.0),
            after: Some(serde_json::json!({ "version": after.version })),
            from: actor.from,
            request_id: actor.request_id,
            ..Entry::of(
                action,
                format!("profile:{}", after.user_id),
                after.updated_at,
                &*self.ids,
            )
        }
    }
}
