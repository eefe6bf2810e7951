//! What can go wrong, in the words of the domain, and what it is outside.

use contracts::Audience;
use kit::{FieldErrors, Problem};

/// Everything a caller can be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such post, or not for this caller: nobody learns which.
    #[error("post not found")]
    NotFound,
    /// The caller sees the post and it is another's.
    #[error("only the author may do this")]
    NotOwner,
    /// The caller may not publish at all until somebody can approve it.
    #[error(
        "what people with this role publish needs approval, which this school does not have yet"
    )]
    NeedsApproval,
    /// The caller may not write to this audience (rule 2).
    #[error("you may not write to {0}")]
    AudienceForbidden(Audience),
    /// The caller has no audience to write to unless one is named (rule 3).
    #[error("name the audience the post is for")]
    AudienceRequired,
    /// So many others change the post at this moment that this change never got its turn.
    #[error("the post is being changed by many at once")]
    Contended,
    /// So many changes of the post wait for the bus that its document has no room for another.
    #[error("too many changes of the post wait for the bus")]
    Backlogged,
    /// Fields that cannot be kept (rule 13).
    #[error(transparent)]
    Invalid(#[from] FieldErrors),
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
            Error::NotFound => Self::not_found("post_not_found", "Post not found"),
            Error::NotOwner => Self::forbidden("not_owner", "Only the author may do this"),
            Error::NeedsApproval => Self::forbidden(
                "audience_forbidden",
                "What people with your role publish needs approval, and there is nobody to give it yet",
            ),
            Error::AudienceForbidden(key) => {
                Self::forbidden("audience_forbidden", format!("You may not write to {key}"))
                    .member("audience", key.to_string())
            }
            Error::AudienceRequired => {
                Self::unprocessable("audience_required", "Name the audience the post is for")
                    .field("audience", "is required")
            }
            Error::Contended => {
                Self::unavailable("busy", "The post is being changed by many at once")
            }
            Error::Backlogged => {
                Self::unavailable("busy", "Too many changes of the post wait to be delivered")
            }
            Error::Invalid(errors) => errors.into(),
            Error::Store(error) => error.into(),
            Error::Problem(problem) => problem,
        }
    }
}
