//! The copy in memory where other instances change the store as well: read again, loaded anew, asked past it.

use std::{sync::Arc, time::Duration};

use backends::db::{self, Db};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Role, UserId};
use kit::SharedClock;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Store, row};
use crate::{
    error::Result,
    instances::{self, Instances, notice::Version},
    memory::{Known, Live},
};

/// How long a decision waits for the store (spec/auth.md rule 11).
const DECISION: Duration = Duration::from_millis(250);
/// No opening of a session is on its way to the copy for so long.
const LATE: TimeDelta = TimeDelta::hours(1);

type Outcome<T> = std::result::Result<T, db::Error>;

impl Store {
    /// The same store as one of several instances, or as a guest of theirs.
    #[must_use]
    pub fn among(self, instances: Instances) -> Self {
        Self { instances, ..self }
    }

    /// This instance's part among all.
    #[must_use]
    pub fn instances(&self) -> &Instances {
        &self.instances
    }

    /// Which store this is; `new` if nobody has asked before.
    ///
    /// # Errors
    /// The store's.
    pub async fn identity(&self, new: Uuid) -> Outcome<Uuid> {
        row::identity(&self.db, new).await
    }

    /// What it is kept in.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// What it goes by.
    #[must_use]
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The account as it is now; none: there is none.
    ///
    /// # Errors
    /// The store's, where it has to be asked.
    pub async fn account(&self, user: UserId) -> Result<Option<Arc<Known>>> {
        if self.instances.believes(self.now())
            && let Some(known) = self.memory.account(user)
        {
            return Ok(Some(known));
        }
        // also where nobody else is: a command beside the server may have made it
        if let Some(account) = row::account_now(&self.db, user).await? {
            self.memory.put_account(account);
        }
        Ok(self.memory.account(user))
    }

    /// Whether an active administrator exists.
    ///
    /// # Errors
    /// The store's, where it has to be asked.
    pub async fn has_admin(&self) -> Outcome<bool> {
        if self.instances.believes(self.now()) && self.memory.has_admin() {
            return Ok(true);
        }
        let sql = "SELECT COUNT(*) FROM role_grants g JOIN users u ON u.id = g.user_id \
                   WHERE g.role = $1 AND g.until_at IS NULL AND u.active";
        let admins: i64 = self.db.query(sql).bind(Role::Admin.name()).scalar().await?;
        Ok(admins > 0)
    }

    /// A session and its account as the store has them; none when one of them has ended or never was.
    ///
    /// # Errors
    /// [`db::Error::Unavailable`] when the store does not answer in time: never "allowed".
    pub async fn ask(&self, session: Uuid) -> Outcome<Option<(Arc<Known>, Arc<Live>)>> {
        self.instances.asked();
        let epoch = self.memory.epoch();
        let asked = timeout(DECISION, row::standing(&self.db, session)).await;
        let asked = asked.map_err(|_| {
            db::Error::Unavailable(anyhow::anyhow!(
                "the store did not say within {DECISION:?} whether a session is alive"
            ))
        })??;
        let Some(found) = asked else {
            return Ok(None);
        };
        if found.revoked {
            self.memory.revoke(&[found.session]);
            return Ok(None);
        }
        let user = found.account.id;
        self.memory.put_account(found.account.clone());
        self.memory.put_session(found.session.clone(), epoch);
        // its end may have come meanwhile, or a load that drops what was read before it
        let live = self
            .memory
            .session(session)
            .unwrap_or_else(|| Arc::new(Live::new(found.session, false)));
        let known = self
            .memory
            .account(user)
            .unwrap_or_else(|| Arc::new(Known::new(found.account)));
        Ok((!live.is_revoked()).then_some((known, live)))
    }

    /// Reads accounts and sessions again that changed elsewhere.
    ///
    /// # Errors
    /// The store's; the copy may then be behind.
    pub async fn read_again(&self, accounts: &[Version], sessions: &[Uuid]) -> Outcome<()> {
        let epoch = self.memory.epoch();
        for Version { id, version } in accounts {
            let known = self.memory.account(*id);
            if known.is_some_and(|known| known.account.version >= *version) {
                continue;
            }
            if let Some(account) = row::account_now(&self.db, *id).await? {
                self.memory.put_account(account);
            }
        }
        for found in row::sessions_by_id(&self.db, sessions).await? {
            if found.revoked {
                self.memory.revoke(&[found.session]);
            } else {
                self.memory.put_session(found.session, epoch);
            }
        }
        Ok(())
    }

    /// Loads everything anew, while the copy is in use. Answers the number of the last change that is surely in it.
    ///
    /// # Errors
    /// The store's.
    pub async fn reload(&self) -> Outcome<i64> {
        loop {
            let reload = self.memory.reload();
            // first: whatever comes later is heard of
            let number = instances::last_number(&self.db).await?;
            let accounts = row::all_accounts(&self.db).await?;
            let living = row::living_sessions(&self.db, self.now()).await?;
            if self.memory.reloaded(&reload, accounts, living) {
                return Ok(number);
            }
        }
    }

    /// Makes sure that no account is believed to be newer than in the store, which has gone back.
    pub fn forget_accounts(&self) {
        self.memory.forget_accounts();
    }

    /// Forgets what is over, where other instances sweep the store as well.
    ///
    /// # Errors
    /// The store's.
    pub async fn forget_ended(&self) -> Outcome<()> {
        if self.instances.has_others() {
            self.reload().await?;
            self.memory.forget_ended(self.now(), self.now() - LATE);
        }
        Ok(())
    }
}
