//! What auth writes. One method is one business step: one transaction with its event and its audit entry, durable before
//! it answers, and then the copy in memory.
//!
//! Every step runs in a task of its own ([`Store::step`]): a client that hangs up between the commit and the update of
//! the copy would otherwise leave the copy behind, and a revoked session alive.

mod accounts;
mod authorities;
mod change;
mod copy;
mod credentials;
mod failures;
mod links;
mod list;
mod refresh;
mod roles;
mod row;
mod sessions;
mod setup;
mod sweep;
#[cfg(test)]
mod tests;
mod trail;

use std::sync::Arc;

use backends::db::{self, Db, Tx};
use contracts::{Roles, UserId};
use kit::{SharedClock, SharedIds, server::Carried};
use uuid::Uuid;

pub use accounts::{Credential, Once};
pub use change::Changes;
pub use failures::{login_key, password_key};
pub use links::ResetPassword;
pub use list::Listed;
pub use sessions::{NewSession, Proof};

use crate::{
    error::{Error, Result},
    instances::{Instances, Told, notice::Version},
    memory::Memory,
    model::{Account, Session},
};

/// The store with its copy in memory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    db: Db,
    memory: Arc<Memory>,
    clock: SharedClock,
    ids: SharedIds,
    instances: Instances,
}

impl Store {
    /// Brings the schema up to date and loads the copy.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(
        db: Db,
        clock: SharedClock,
        ids: SharedIds,
    ) -> std::result::Result<Self, db::Error> {
        db.migrate(&sqlx::migrate!("./migrations")).await?;
        list::fill_search(&db).await?;
        let accounts = row::all_accounts(&db).await?;
        let sessions = row::living_sessions(&db, clock.now()).await?;
        let memory = Arc::new(Memory::load(accounts, sessions));
        Ok(Self {
            db,
            memory,
            clock,
            ids,
            instances: Instances::alone(),
        })
    }

    /// The copy, for reading.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Whether the store answers, for readiness.
    ///
    /// # Errors
    /// The store's.
    pub async fn check(&self) -> std::result::Result<(), db::Error> {
        self.db.check().await
    }

    /// Runs a step to its end even if nobody waits for it any more.
    async fn step<T, F, Fut>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Self) -> Fut,
        Fut: Future<Output = Result<T>> + Send + 'static,
    {
        let running = tokio::spawn(Carried::here().within(work(self.clone())));
        running
            .await
            .map_err(|error| Error::Problem(kit::Problem::internal(error)))?
    }

    /// Commits, shows the changes to validate, and waits until every other instance knows what it must.
    async fn commit(&self, mut tx: Tx, changed: Changed) -> Result<()> {
        let epoch = self.memory.epoch();
        let told = changed.told();
        let number = self.instances.number(&mut tx, &told).await?;
        if let Err(error) = tx.commit().await {
            // it may be in the store all the same (a sync that failed): the copy then errs on the side of caution
            self.memory.revoke(&changed.ended);
            if let Some(account) = changed.account
                && let Ok(Some(stored)) = row::account_now(&self.db, account.id).await
            {
                self.memory.put_account(stored);
            }
            return Err(error.into());
        }
        if let Some((account, session)) = changed.made() {
            self.instances.mention(account, session);
        }
        if let Some(account) = changed.account {
            self.memory.put_account(account);
        }
        if let Some(session) = changed.opened {
            self.memory.put_session(session, epoch);
        }
        self.memory.revoke(&changed.ended);
        if let Some(number) = number {
            self.instances
                .tell(number, told, &self.db, &self.clock)
                .await;
        }
        Ok(())
    }
}

/// What a step changes in the copy.
#[derive(Debug, Default)]
struct Changed {
    account: Option<Account>,
    opened: Option<Session>,
    ended: Vec<Session>,
}

impl Changed {
    /// What every other instance must know before it is answered. Of a new account nobody has an older copy.
    fn told(&self) -> Told {
        let changed = self.account.iter().filter(|account| account.version > 1);
        Told {
            accounts: changed.map(version).collect(),
            ended: self.ended.iter().map(|session| session.id).collect(),
        }
    }

    /// What is new, so that others need not look it up.
    fn made(&self) -> Option<(Version, Option<Uuid>)> {
        if let Some(session) = &self.opened {
            let account = Version {
                id: session.user,
                version: 1,
            };
            return Some((account, Some(session.id)));
        }
        let made = self.account.iter().find(|account| account.version == 1);
        made.map(|account| (version(account), None))
    }
}

fn version(account: &Account) -> Version {
    Version {
        id: account.id,
        version: account.version,
    }
}

/// Which of a person's sessions are meant.
#[derive(Debug, Clone, Copy)]
pub enum Which {
    /// This one.
    One(Uuid),
    /// All.
    All,
}

/// A change of roles.
#[derive(Debug, Clone)]
pub struct NewRoles {
    /// Whose.
    pub user: UserId,
    /// All that hold afterwards; `member` is implied.
    pub roles: Roles,
    /// Why, for the audit.
    pub reason: String,
}

/// A password change by its holder.
#[derive(Debug)]
pub struct NewPassword {
    /// Whose.
    pub user: UserId,
    /// The session that goes on.
    pub keep: Uuid,
    /// The hash that was checked; another one by now means that somebody was faster.
    pub old_hash: String,
    /// The hash to store.
    pub new_hash: String,
}
