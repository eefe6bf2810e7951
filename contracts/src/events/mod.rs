//! What services tell one another. Types are declared here only; a golden file per type and version must load for ever
//! (`golden/`). Inside a version fields are only added, and unknown fields are ignored.

mod envelope;
mod foreign;
mod posts;
mod profiles;
mod sessions;
mod users;

pub use envelope::{Envelope, Unreadable, envelope_of};
pub use foreign::{Change, ForeignPost};
pub use posts::{DeleteReason, PostDeleted, PostEvent, PostState};
pub use profiles::{ProfileDeleted, ProfileEvent, ProfileState};
pub use sessions::{RevokeReason, SessionRevoked};
pub use users::{User, UserEvent, UserEventKind, UserState};
