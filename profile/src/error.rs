//! What can go wrong, in the words of the domain, and what it is outside.

use kit::{FieldErrors, Problem};

/// Everything a caller can be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such profile, or not for this caller: nobody learns which.
    #[error("profile not found")]
    NotFound,
    /// The caller has filled one already (rule 1).
    #[error("profile already exists for this user")]
    Exists,
    /// The body names somebody else than the caller.
    #[error("the body names another user")]
    UserMismatch,
    /// So many others change the profile at this moment that this change never got its turn.
    #[error("the profile is being changed by many at once")]
    Contended,
    /// Fields that cannot be kept (rules 4 to 6).
    #[error(transparent)]
    Invalid(#[from] FieldErrors),
    /// `preferences` inside `preferences` inside ... (section 6).
    #[error("preferences are nested too deep")]
    TooDeep,
    /// The store cannot answer.
    #[error("store: {0}")]
    Store(#[from] backends::db::Error),
    /// What a peer or a shared part of the machinery says, as it is.
    #[error(transparent)]
    Problem(#[from] Problem),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::not_found("profile_not_found", "Profile not found"),
            Error::Exists => {
                Self::bad_request("profile_exists", "Profile already exists for this user")
            }
            Error::UserMismatch => Self::forbidden(
                "user_mismatch",
                "The body names another user than the caller",
            ),
            Error::Contended => {
                Self::unavailable("busy", "The profile is being changed by many at once")
            }
            Error::Invalid(errors) => errors.into(),
            Error::TooDeep => Self::unprocessable("too_deep", "Preferences are nested too deep")
                .field(
                    "preferences",
                    format!(
                        "must not be nested deeper than {}",
                        crate::validate::DEPTH_MAX
                    ),
                ),
            Error::Store(error) => error.into(),
            Error::Problem(problem) => problem,
        }
    }
}
