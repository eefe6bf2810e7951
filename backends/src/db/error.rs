//! What can go wrong in a store, in the few kinds a caller can act on.

use kit::problem::Problem;
use sqlx::error::{DatabaseError, ErrorKind};

/// A failed store operation. The cause is kept for the log and never shown to a client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be reached or can no longer promise durability; the same request may succeed later.
    #[error("the store is unavailable: {0}")]
    Unavailable(#[source] anyhow::Error),
    /// The disk, quota or tablespace is full.
    #[error("the store is full: {0}")]
    Full(#[source] anyhow::Error),
    /// A uniqueness constraint refused the row. Prefer `ON CONFLICT (..) DO NOTHING RETURNING`: on PostgreSQL this
    /// error has already aborted the transaction.
    #[error("a uniqueness constraint refused the row")]
    Unique,
    /// A foreign key refused the row.
    #[error("a foreign key refused the row")]
    Foreign,
    /// A condition of the transaction ([`Tx::condition`](super::Tx::condition)) does not hold, and nothing of it happened.
    #[error("a condition of the transaction does not hold")]
    Unmet,
    /// The configuration names a store that cannot exist: unknown scheme, missing folder, bad migration directive.
    #[error("{0}")]
    Configuration(String),
    /// The store was migrated by a newer binary.
    #[error(
        "the store has schema version {found}, this binary knows versions up to {known}: start the newer binary, or restore a backup made before the upgrade"
    )]
    NewerSchema {
        /// The highest version applied to the store.
        found: i64,
        /// The highest version this binary brings.
        known: i64,
    },
    /// Anything else: a mistake in a statement, a row that does not decode, a violated check.
    #[error("the store refused: {0}")]
    Other(#[source] anyhow::Error),
}

impl Error {
    /// The store is unavailable for the reason given in words.
    pub(crate) fn unavailable(reason: impl Into<String>) -> Error {
        Error::Unavailable(anyhow::Error::msg(reason.into()))
    }

    /// A state that only a mistake in the program can produce.
    pub(crate) fn other(reason: impl Into<String>) -> Error {
        Error::Other(anyhow::Error::msg(reason.into()))
    }

    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Unavailable(_) | Error::Full(_))
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        match &error {
            sqlx::Error::Database(refusal) => match cause_of(refusal.as_ref()) {
                Cause::Unique => {
                    tracing::debug!(error = %refusal, "uniqueness constraint violated");
                    Error::Unique
                }
                Cause::Foreign => {
                    tracing::debug!(error = %refusal, "foreign key violated");
                    Error::Foreign
                }
                Cause::Full => Error::Full(error.into()),
                Cause::Unavailable => Error::Unavailable(error.into()),
                Cause::Other => Error::Other(error.into()),
            },
            sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::StorageFull => {
                Error::Full(error.into())
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Error::Unavailable(error.into()),
            _ => Error::Other(error.into()),
        }
    }
}

enum Cause {
    Unique,
    Foreign,
    Full,
    Unavailable,
    Other,
}

/// SQLite reports extended result codes as decimal text, PostgreSQL five-character SQLSTATEs; the two never collide:
/// the few all-digit SQLSTATEs matched here have five digits, SQLite's codes at most four.
fn cause_of(refusal: &dyn DatabaseError) -> Cause {
    match refusal.kind() {
        ErrorKind::UniqueViolation => return Cause::Unique,
        ErrorKind::ForeignKeyViolation => return Cause::Foreign,
        _ => {}
    }
    let Some(code) = refusal.code() else {
        return Cause::Other;
    };
    if code.len() == 5 {
        return match code.as_ref() {
            "53100" => Cause::Full,
            // too many connections and out of memory pass; 57P0x: shutting down; 08xxx: connection lost;
            // 40001 and 40P01: a serialisation failure or deadlock, the same request may succeed
            "53200" | "53300" | "57P01" | "57P02" | "57P03" | "57P05" | "40001" | "40P01"
            | "55P03" => Cause::Unavailable,
            lost if lost.starts_with("08") => Cause::Unavailable,
            // a wrong password or role, no such database, a right that is missing: somebody has to set it right, in the
            // settings or on the server, and until then this is a store that cannot be used
            refused if refused.starts_with("28") => Cause::Unavailable,
            "3D000" | "42501" => Cause::Unavailable,
            _ => Cause::Other,
        };
    }
    match code.parse::<u32>().map(|extended| extended & 0xff) {
        Ok(13) => Cause::Full,
        // BUSY, LOCKED, NOMEM, IOERR, CANTOPEN
        Ok(5 | 6 | 7 | 10 | 14) => Cause::Unavailable,
        _ => Cause::Other,
    }
}

impl From<Error> for Problem {
    /// 503 `store_unavailable`, 507 `storage_full`, else 500; the cause goes to the log only.
    fn from(error: Error) -> Problem {
        match error {
            Error::Unavailable(_) => Problem::unavailable(
                "store_unavailable",
                "the store cannot be reached at the moment",
            )
            .cause(error),
            Error::Full(_) => Problem::new(
                http::StatusCode::INSUFFICIENT_STORAGE,
                "storage_full",
                "the store has no space left",
            )
            .retry_after(60)
            .cause(error),
            other => Problem::internal(other),
        }
    }
}
