//! What the driver says, in the few kinds a caller can act on.

use std::io;
use std::time::Duration;

use backends::db;
use mongodb::error::{Error, ErrorKind, WriteFailure};

/// How long one operation may take: a server that took the connection and says nothing is as good as away.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an operation over many documents may take.
const LONG: Duration = Duration::from_secs(20);

/// Runs one operation, with an end.
pub(super) async fn within<T>(
    operation: impl IntoFuture<Output = Result<T, Error>>,
) -> Result<T, Error> {
    ended(PATIENCE, operation).await
}

/// Runs one operation over many documents, with an end.
pub(super) async fn within_long<T>(
    operation: impl IntoFuture<Output = Result<T, Error>>,
) -> Result<T, Error> {
    ended(LONG, operation).await
}

async fn ended<T>(
    patience: Duration,
    operation: impl IntoFuture<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(patience, operation.into_future())
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

#[cfg(test)]
mod tests {
    use mongodb::bson::{deserialize_from_document, doc};

    use super::*;

    fn refusal(code: i32) -> Error {
        let command = doc! { "code": code, "codeName": "Name", "errmsg": "why" };
        Error::from(ErrorKind::Command(
            deserialize_from_document(command).unwrap(),
        ))
    }

    #[test]
    fn what_passes_is_503_what_is_full_is_507_and_what_is_wrong_is_500() {
        let kind = |code| match kind_of(refusal(code)) {
            db::Error::Unavailable(_) => 503,
            db::Error::Full(_) => 507,
            _ => 500,
        };
        for (code, status) in [
            (91, 503),
            (11600, 503),
            (10107, 503),
            (13, 503),
            (18, 503),
            (14031, 507),
            (2, 500),
            (11000, 500),
        ] {
            assert_eq!(kind(code), status, "{code}");
        }
        let cut_off = Error::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert!(kind_of(cut_off).is_transient());
    }

    #[test]
    fn a_user_without_rights_is_told_the_setting() {
        let error = kind_of(refusal(UNAUTHORIZED)).to_string();
        assert!(
            error.contains("posts.store: the user may not use"),
            "{error}"
        );
    }

    #[test]
    fn a_post_that_has_no_room_for_another_change_is_busy() {
        let problem = kit::problem::Problem::from(crate::Error::from(refusal(17419)));
        assert_eq!((problem.status().as_u16(), problem.code()), (503, "busy"));
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_unavailable_in_the_end() {
        let answer: Result<(), Error> =
            ended(Duration::from_millis(1), std::future::pending()).await;
        assert!(kind_of(answer.unwrap_err()).is_transient());
    }
}
