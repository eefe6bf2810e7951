//! Who is calling, proven.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Role, Roles, UserId};

/// A person whose credential was verified for this request: by the in-process gateway, which asked auth, or by the
/// service itself from the bearer token. No network input sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The account.
    pub user: UserId,
    /// Its address, if it has one.
    pub email: Option<String>,
    /// Its user name.
    pub username: String,
    /// Its roles: from auth's committed state when the gateway asked, else as the token says.
    pub roles: Roles,
    /// The session the credential belongs to.
    pub session: Uuid,
    /// When the presented credential ends.
    pub expires_at: DateTime<Utc>,
}

impl Verified {
    /// Whether the caller holds the role.
    #[must_use]
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(role)
    }
}
