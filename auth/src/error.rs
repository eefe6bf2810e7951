//! What can go wrong, in the words of the domain, and how it is answered.

use backends::db;
use http::StatusCode;
use kit::{FieldErrors, Problem};

use crate::password::Busy;

/// Every refusal of auth.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The e-mail address or the username is taken.
    #[error("User already exists")]
    UserExists,
    /// Registration is not open.
    #[error("Registration is closed; ask the school for an invitation")]
    RegistrationClosed,
    /// Unknown name, wrong password, or an account that may not log in: which of them is not told.
    #[error("Invalid credentials")]
    InvalidCredentials,
    /// The login name is locked for this many seconds.
    #[error("Too many failed attempts; try again later")]
    Locked(u64),
    /// The address has used up its minute; a place is free after this many seconds.
    #[error("Too many requests; try again later")]
    RateLimited(u64),
    /// The hashing queue is full.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// Not a refresh token of a living session.
    #[error("Invalid refresh token")]
    RefreshInvalid,
    /// Not used in time.
    #[error("Refresh token expired")]
    RefreshExpired,
    /// Replaced a while ago: the session is ended.
    #[error("This refresh token was used before; the session is ended")]
    RefreshReused,
    /// Enough successors were issued for it.
    #[error("This refresh token is being used by another request")]
    RefreshInProgress,
    /// No such account.
    #[error("No such user")]
    UserNotFound,
    /// The account was deactivated, which is for good.
    #[error("This account is deactivated")]
    UserInactive,
    /// The person has no login.
    #[error("This person may not log in; allow it first")]
    LoginDisabled,
    /// The token of a link that was used, has expired, was made void or never was: which of them is not told.
    #[error("This link was used already or has expired; ask for a new one")]
    LinkGone,
    /// No such session of this person.
    #[error("No such session")]
    SessionNotFound,
    /// The last active administrator must stay.
    #[error("The last active administrator cannot lose the role or be deactivated")]
    LastAdmin,
    /// The account changed since it was read; the present version.
    #[error("It was changed meanwhile; read it again")]
    Stale(i64),
    /// `If-Match` is missing.
    #[error("Say with If-Match which version you change")]
    PreconditionRequired,
    /// An administrator exists.
    #[error("The school is set up already")]
    AlreadySetUp,
    /// Not the setup token.
    #[error("Invalid setup token")]
    SetupTokenInvalid,
    /// The stored hash is another one than the one that was checked: check again.
    #[error("the password was changed meanwhile")]
    HashChanged,
    /// A field does not fit: its name and what is wrong.
    #[error("{0} {1}")]
    Invalid(&'static str, String),
    /// Several fields do not fit.
    #[error(transparent)]
    InvalidFields(#[from] FieldErrors),
    /// The store.
    #[error(transparent)]
    Store(#[from] db::Error),
    /// A refusal that is a problem already.
    #[error(transparent)]
    Problem(#[from] Problem),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::UserExists => Self::conflict("user_exists", detail),
            Error::RegistrationClosed => Self::forbidden("registration_closed", detail),
            Error::InvalidCredentials => Self::unauthorized_as("invalid_credentials", detail),
            Error::Locked(seconds) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", detail)
                    .retry_after(seconds)
            }
            Error::RateLimited(seconds) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
                    .retry_after(seconds)
            }
            Error::Busy(busy) => Self::unavailable("busy", busy.to_string()),
            Error::RefreshInvalid => Self::unauthorized_as("refresh_invalid", detail),
            Error::RefreshExpired => Self::unauthorized_as("refresh_expired", detail),
            Error::RefreshReused => Self::unauthorized_as("refresh_reused", detail),
            Error::RefreshInProgress => Self::conflict("refresh_in_progress", detail),
            Error::UserNotFound => Self::not_found("user_not_found", detail),
            Error::UserInactive => Self::conflict("user_inactive", detail),
            Error::LoginDisabled => Self::conflict("login_disabled", detail),
            Error::LinkGone => Self::new(StatusCode::GONE, "token_used_or_expired", detail)
                .field("token", "was used already or has expired"),
            Error::SessionNotFound => Self::not_found("session_not_found", detail),
            Error::LastAdmin => Self::conflict("last_admin", detail),
            Error::Stale(version) => Self::new(StatusCode::PRECONDITION_FAILED, "stale", detail)
                .member("version", version),
            Error::PreconditionRequired => Self::new(
                StatusCode::PRECONDITION_REQUIRED,
                "precondition_required",
                detail,
            ),
            Error::AlreadySetUp => Self::conflict("already_set_up", detail),
            Error::SetupTokenInvalid => Self::forbidden("setup_token_invalid", detail),
            Error::HashChanged => Self::conflict("in_progress", detail),
            Error::Invalid(field, message) => Self::invalid(field, message),
            Error::InvalidFields(fields) => fields.into(),
            Error::Store(error) => error.into(),
            Error::Problem(problem) => problem,
        }
    }
}

/// What most functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;
