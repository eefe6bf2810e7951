//! Rows as they are read.

use backends::db::{Db, Error, Tx};
use chrono::{DateTime, Utc};
use contracts::{Roles, UserId};
use uuid::Uuid;

use crate::model::{Account, Session};

/// The columns of an account with the roles that hold now.
macro_rules! account_columns {
    () => {
        "u.id, u.email, u.username, u.first_name, u.last_name, u.active, u.login_enabled, u.version, u.created_at, \
         COALESCE((SELECT STRING_AGG(g.role, ',') FROM role_grants g WHERE g.user_id = u.id AND g.until_at IS NULL), '') AS roles"
    };
}
pub(super) use account_columns;

/// The same selected; a caller adds `WHERE`.
macro_rules! select_account {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            $crate::store::row::account_columns!(),
            " FROM users u ",
            $rest
        )
    };
}
pub(super) use select_account;

/// What [`select_account`] selects.
#[derive(sqlx::FromRow)]
pub struct AccountRow {
    id: i64,
    email: Option<String>,
    username: String,
    first_name: String,
    last_name: String,
    active: bool,
    login_enabled: bool,
    version: i64,
    created_at: DateTime<Utc>,
    roles: String,
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        Self {
            id: UserId(row.id),
            email: row.email,
            username: row.username,
            first_name: row.first_name,
            last_name: row.last_name,
            roles: Roles::from_names(row.roles.split(',').filter(|name| !name.is_empty())),
            active: row.active,
            login_enabled: row.login_enabled,
            version: row.version,
            created_at: row.created_at,
        }
    }
}

#[derive(sqlx::FromRow)]
struct SessionRow {
    id: Uuid,
    user_id: i64,
    created_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    absolute_expiry: DateTime<Utc>,
    ip: Option<String>,
    user_agent: Option<String>,
    label: Option<String>,
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: row.id,
            user: UserId(row.user_id),
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
            absolute_expiry: row.absolute_expiry,
            ip: row.ip,
            user_agent: row.user_agent,
            label: row.label,
        }
    }
}

/// A session that may have ended.
#[derive(Debug)]
pub struct Found {
    /// The session.
    pub session: Session,
    /// Whether it has ended.
    pub revoked: bool,
}

#[derive(sqlx::FromRow)]
struct FoundRow {
    #[sqlx(flatten)]
    session: SessionRow,
    revoked: bool,
}

/// A session that may have ended, with its account.
#[derive(Debug)]
pub struct Standing {
    /// The session.
    pub session: Session,
    /// Whether it has ended.
    pub revoked: bool,
    /// Whose it is.
    pub account: Account,
}

#[derive(sqlx::FromRow)]
struct StandingRow {
    session_id: Uuid,
    opened_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    absolute_expiry: DateTime<Utc>,
    ip: Option<String>,
    user_agent: Option<String>,
    label: Option<String>,
    revoked: bool,
    #[sqlx(flatten)]
    account: AccountRow,
}

/// A session and its account as committed, in one question.
pub async fn standing(db: &Db, session: Uuid) -> Result<Option<Standing>, Error> {
    let sql = concat!(
        "SELECT s.id AS session_id, s.created_at AS opened_at, s.last_seen_at, s.absolute_expiry, s.ip, s.user_agent, s.label, \
         (s.revoked_at IS NOT NULL) AS revoked, ",
        account_columns!(),
        " FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1"
    );
    let row: Option<StandingRow> = db.query(sql).bind(session).optional().await?;
    Ok(row.map(|row| Standing {
        session: Session {
            id: row.session_id,
            user: UserId(row.account.id),
            created_at: row.opened_at,
            last_seen_at: row.last_seen_at,
            absolute_expiry: row.absolute_expiry,
            ip: row.ip,
            user_agent: row.user_agent,
            label: row.label,
        },
        revoked: row.revoked,
        account: row.account.into(),
    }))
}

/// These sessions as committed, as far as there are any.
pub async fn sessions_by_id(db: &Db, ids: &[Uuid]) -> Result<Vec<Found>, Error> {
    /// So that few texts of the statement are prepared.
    const AT_ONCE: usize = 32;
    let places: Vec<String> = (1..=AT_ONCE).map(|n| format!("${n}")).collect();
    let sql = format!(
        "SELECT id, user_id, created_at, last_seen_at, absolute_expiry, ip, user_agent, label, (revoked_at IS NOT NULL) AS revoked \
         FROM sessions WHERE id IN ({})",
        places.join(", ")
    );
    let mut found = Vec::with_capacity(ids.len());
    for some in ids.chunks(AT_ONCE) {
        let mut query = db.query(sqlx::AssertSqlSafe(sql.clone()));
        for place in 0..AT_ONCE {
            // the last one fills up the rest
            query = query.bind(some[place.min(some.len() - 1)]);
        }
        let rows: Vec<FoundRow> = query.all().await?;
        found.extend(rows.into_iter().map(|row| Found {
            session: row.session.into(),
            revoked: row.revoked,
        }));
    }
    Ok(found)
}

/// Which store this is; the first one to ask decides.
pub async fn identity(db: &Db, new: Uuid) -> Result<Uuid, Error> {
    let mut tx = db.begin().await?;
    tx.query(
        "INSERT INTO store_identity (name, id) VALUES ('store', $1) ON CONFLICT (name) DO NOTHING",
    )
    .bind(new)
    .execute()
    .await?;
    let id = tx
        .query("SELECT id FROM store_identity WHERE name = 'store'")
        .scalar()
        .await?;
    tx.commit().await?;
    Ok(id)
}

/// Every account, for the copy in memory.
pub async fn all_accounts(db: &Db) -> Result<Vec<Account>, Error> {
    let rows: Vec<AccountRow> = db.query(select_account!("ORDER BY u.id")).all().await?;
    Ok(rows.into_iter().map(Account::from).collect())
}

/// The account as the transaction sees it.
pub async fn account(tx: &mut Tx, id: UserId) -> Result<Option<Account>, Error> {
    let row: Option<AccountRow> = tx
        .query(select_account!("WHERE u.id = $1"))
        .bind(id.0)
        .optional()
        .await?;
    Ok(row.map(Account::from))
}

/// The account as committed.
pub async fn account_now(db: &Db, id: UserId) -> Result<Option<Account>, Error> {
    let row: Option<AccountRow> = db
        .query(select_account!("WHERE u.id = $1"))
        .bind(id.0)
        .optional()
        .await?;
    Ok(row.map(Account::from))
}

/// Every session that is neither revoked nor over.
pub async fn living_sessions(db: &Db, now: DateTime<Utc>) -> Result<Vec<Session>, Error> {
    let sql = "SELECT id, user_id, created_at, last_seen_at, absolute_expiry, ip, user_agent, label FROM sessions \
               WHERE revoked_at IS NULL AND absolute_expiry > $1";
    let rows: Vec<SessionRow> = db.query(sql).bind(now).all().await?;
    Ok(rows.into_iter().map(Session::from).collect())
}

/// The living sessions of one person that can still be used, newest first.
pub async fn sessions_of(db: &Db, user: UserId, now: DateTime<Utc>) -> Result<Vec<Session>, Error> {
    let sql = "SELECT id, user_id, created_at, last_seen_at, absolute_expiry, ip, user_agent, label FROM sessions \
               WHERE user_id = $1 AND revoked_at IS NULL AND absolute_expiry > $2 ORDER BY created_at DESC, id DESC";
    let rows: Vec<SessionRow> = db.query(sql).bind(user.0).bind(now).all().await?;
    Ok(rows.into_iter().map(Session::from).collect())
}

/// Notes that a living session is used now, and locks it against its end.
pub async fn use_session(
    tx: &mut Tx,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<Session>, Error> {
    let sql = "UPDATE sessions SET last_seen_at = $1 WHERE id = $2 AND revoked_at IS NULL AND absolute_expiry > $1 \
               RETURNING id, user_id, created_at, last_seen_at, absolute_expiry, ip, user_agent, label";
    let row: Option<SessionRow> = tx.query(sql).bind(now).bind(id).optional().await?;
    Ok(row.map(Session::from))
}

/// Ends the sessions that the statement selects and answers them. `$1` is the time, `$2` the reason.
pub async fn end_sessions(
    tx: &mut Tx,
    condition: Ending,
    now: DateTime<Utc>,
    reason: &'static str,
) -> Result<Vec<Session>, Error> {
    macro_rules! end {
        ($condition:literal) => {
            concat!(
                "UPDATE sessions SET revoked_at = $1, revoke_reason = $2 WHERE revoked_at IS NULL AND ",
                $condition,
                " RETURNING id, user_id, created_at, last_seen_at, absolute_expiry, ip, user_agent, label"
            )
        };
    }
    let rows: Vec<SessionRow> = match condition {
        Ending::Session(id) => {
            tx.query(end!("id = $3"))
                .bind(now)
                .bind(reason)
                .bind(id)
                .all()
                .await?
        }
        Ending::SessionOf(id, user) => {
            tx.query(end!("id = $3 AND user_id = $4"))
                .bind(now)
                .bind(reason)
                .bind(id)
                .bind(user.0)
                .all()
                .await?
        }
        Ending::AllOf(user) => {
            tx.query(end!("user_id = $3"))
                .bind(now)
                .bind(reason)
                .bind(user.0)
                .all()
                .await?
        }
        Ending::OthersOf(user, keep) => {
            tx.query(end!("user_id = $3 AND id <> $4"))
                .bind(now)
                .bind(reason)
                .bind(user.0)
                .bind(keep)
                .all()
                .await?
        }
    };
    Ok(rows.into_iter().map(Session::from).collect())
}

/// Which sessions [`end_sessions`] ends.
#[derive(Debug, Clone, Copy)]
pub enum Ending {
    /// Whoever's it is.
    Session(Uuid),
    /// Only if it is this person's.
    SessionOf(Uuid, UserId),
    /// Every one of a person.
    AllOf(UserId),
    /// Every one of a person but this.
    OthersOf(UserId, Uuid),
}
