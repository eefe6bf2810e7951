//! What the driver says, in the few kinds a caller can act on.

use std::io;
use std::time::Duration;

use backends::db;
use mongodb::error::{Error, ErrorKind, WriteFailure};

/// How long one operation may take: a server that took the connection and says nothing is as good as away.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs one operation, with an end.
pub(super) async fn within<T>(
    operation: impl IntoFuture<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(PATIENCE, operation.into_future())
        .await
        .unwrap_or_else(|_| {
            Err(Error::from(io::Error::new(
                io::ErrorKind::TimedOut,
                "the server did not answer in time",
            )))
        })
}

/// Whether a document of that identity is there already.
pub(super) fn is_duplicate(error: &Error) -> bool {
    code(error) == Some(DUPLICATE)
}

/// Takes "it is there already" for done, and says whether it was done now.
pub(super) fn unless_duplicate<T>(result: Result<T, Error>) -> Result<bool, Error> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if is_duplicate(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

const DUPLICATE: i32 = 11000;
const UNAUTHORIZED: i32 = 13;
const AUTHENTICATION_FAILED: i32 = 18;
const OUT_OF_DISK_SPACE: i32 = 14031;

fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(refusal) => Some(refusal.code),
        ErrorKind::Write(WriteFailure::WriteError(refusal)) => Some(refusal.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(refusal)) => Some(refusal.code),
        ErrorKind::InsertMany(many) => many
            .write_errors
            .as_ref()
            .and_then(|errors| errors.first())
            .map(|refusal| refusal.code)
            .or(many
                .write_concern_error
                .as_ref()
                .map(|refusal| refusal.code)),
        _ => None,
    }
}

/// Whether the document would be larger than a document may be.
pub(super) fn is_too_large(error: &Error) -> bool {
    matches!(code(error), Some(17419 | 10334))
}

/// Of what a server says while it starts, stops, changes its role or is cut off: the same request may succeed later.
fn passes(code: i32) -> bool {
    matches!(
        code,
        6 | 7
            | 50
            | 64
            | 89
            | 91
            | 134
            | 189
            | 262
            | 9001
            | 10058
            | 10107
            | 11600
            | 11602
            | 13435
            | 13436
    )
}

/// The kind of a failure, in words that name the setting where it is the setting's.
pub(super) fn kind_of(error: Error) -> db::Error {
    let unavailable = |text: String| db::Error::Unavailable(anyhow::Error::msg(text));
    match (&*error.kind, code(&error)) {
        (ErrorKind::Authentication { message, .. }, _) => unavailable(format!(
            "posts.store: the server refuses the user or the password ({message})"
        )),
        (_, Some(UNAUTHORIZED | AUTHENTICATION_FAILED)) => unavailable(format!(
            "posts.store: the user may not use this database ({})",
            error.kind
        )),
        (ErrorKind::ServerSelection { message, .. }, _) => {
            unavailable(format!("posts.store: no server answers ({message})"))
        }
        (
            ErrorKind::Io(_)
            | ErrorKind::ConnectionPoolCleared { .. }
            | ErrorKind::DnsResolve { .. }
            | ErrorKind::Shutdown,
            _,
        ) => unavailable(format!("posts.store: {}", error.kind)),
        (_, Some(OUT_OF_DISK_SPACE)) => db::Error::Full(error.into()),
        (_, Some(code)) if passes(code) => unavailable(format!("posts.store: {}", error.kind)),
        _ => db::Error::Other(error.into()),
    }
}

/// A failure that several requests share.
pub(super) fn copy_of(error: &db::Error) -> db::Error {
    match error {
        db::Error::Unavailable(cause) => db::Error::Unavailable(anyhow::anyhow!("{cause:#}")),
        db::Error::Full(cause) => db::Error::Full(anyhow::anyhow!("{cause:#}")),
        other => db::Error::Other(anyhow::anyhow!("{other}")),
    }
}

/// Something in the store that this program cannot have written.
pub(super) fn unreadable(what: &str) -> db::Error {
    db::Error::Other(anyhow::anyhow!("{what} cannot be read"))
}

impl From<Error> for crate::error::Error {
    fn from(error: Error) -> Self {
        if is_too_large(&error) {
            return Self::Backlogged;
        }
        Self::Store(kind_of(error))
    }
}
