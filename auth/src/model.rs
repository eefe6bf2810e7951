//! What auth keeps: accounts and sessions as the rest of the crate sees them.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use contracts::{
    Role, Roles, UserId,
    events::{User, UserState},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::search;

/// An account, without its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The person key of the whole product.
    pub id: UserId,
    /// As written, if there is one.
    pub email: Option<String>,
    /// As written.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// The roles that hold now, `member` among them.
    pub roles: Roles,
    /// False once deactivated.
    pub active: bool,
    /// False: a person without a login (a young child, an imported person).
    pub login_enabled: bool,
    /// Grows by one with every change.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl Account {
    /// The account as answers and events show it (spec/auth.md section 2).
    #[must_use]
    pub fn user(&self) -> User {
        let full = format!("{} {}", self.first_name, self.last_name);
        let full_name = if full.trim().is_empty() {
            self.username.clone()
        } else {
            full.trim().to_owned()
        };
        User {
            id: self.id,
            email: self.email.clone(),
            username: self.username.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            full_name,
            role: self.roles.primary(),
            roles: self.roles,
            user_type: self.roles.user_type().map(str::to_owned),
            is_active: self.active,
            date_joined: self.created_at,
        }
    }

    /// The account as administrators see it.
    #[must_use]
    pub fn view(&self) -> AccountView {
        AccountView {
            user: self.user(),
            login_enabled: self.login_enabled,
        }
    }

    /// The whole state as `auth-events` carries it.
    #[must_use]
    pub fn state(&self) -> UserState {
        let user_data = self.user();
        UserState {
            user_id: self.id,
            user_type: user_data.user_type.clone(),
            user_data,
            version: self.version,
        }
    }

    /// What a search for the person looks at.
    #[must_use]
    pub fn search(&self) -> String {
        search::haystack(
            &self.first_name,
            &self.last_name,
            &self.username,
            self.email.as_deref(),
        )
    }

    /// Whether it may run the school.
    #[must_use]
    pub fn is_active_admin(&self) -> bool {
        self.active && self.roles.contains(Role::Admin)
    }
}

/// An account as administrators see it: what everybody sees of it, and what is theirs to decide.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AccountView {
    /// As in every other answer.
    #[serde(flatten)]
    pub user: User,
    /// Whether the person may log in at all.
    pub login_enabled: bool,
}

/// What a new account is made of. Names are already judged by [`crate::names`].
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// As written.
    pub email: Option<String>,
    /// As written.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// Beside `member`.
    pub roles: Roles,
    /// As [`crate::password::store`] makes it; none: nobody can log in yet.
    pub password_hash: Option<String>,
}

/// A session that was opened and not yet swept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id, `sid` in tokens.
    pub id: Uuid,
    /// Whose.
    pub user: UserId,
    /// When the person logged in.
    pub created_at: DateTime<Utc>,
    /// When it was last used, as far as written down.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends in any case.
    pub absolute_expiry: DateTime<Utc>,
    /// From where it was opened.
    pub ip: Option<String>,
    /// With what it was opened.
    pub user_agent: Option<String>,
    /// The same in words, "Firefox on Windows".
    pub label: Option<String>,
}

/// Who does something, and from where: for the audit.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The person who acts; none: somebody who has not signed in, or the operator.
    pub actor: Option<UserId>,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The request.
    pub request_id: Option<String>,
}

impl Origin {
    /// The same place with this person acting.
    #[must_use]
    pub fn by(&self, actor: UserId) -> Self {
        Self {
            actor: Some(actor),
            ..self.clone()
        }
    }
}
