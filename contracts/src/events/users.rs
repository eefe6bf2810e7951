//! `auth-events`: the whole state of an account, no secret (spec/auth.md section 4).

use backends::bus::Delivered;
use backends::outbox::Message;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::envelope::{Envelope, Unreadable, envelope_of, message};
use crate::{Role, Roles, UserId, topics};

/// An account as its holder and administrators see it, and as the token answers carry it (spec/auth.md section 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct User {
    /// The account.
    pub id: UserId,
    /// Its address, if it has one.
    pub email: Option<String>,
    /// Unique, compared without case.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// First and last name, or the user name where both are empty.
    pub full_name: String,
    /// The first of its roles, for clients that know one.
    pub role: Role,
    /// All of them.
    pub roles: Roles,
    /// The number clients of the 001 system know.
    pub user_type: Option<String>,
    /// False once deactivated.
    pub is_active: bool,
    /// When it was made.
    pub date_joined: DateTime<Utc>,
}

/// What an account event carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserState {
    /// The account.
    pub user_id: UserId,
    /// As in [`User`].
    pub user_type: Option<String>,
    /// The whole account.
    pub user_data: User,
    /// Grows by one with every change.
    pub version: i64,
}

/// What happened to the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserEventKind {
    /// It is new.
    Created,
    /// Names, address or state changed.
    Updated,
    /// Its roles changed.
    RolesChanged,
    /// It is deactivated for good.
    Deleted,
}

impl UserEventKind {
    /// The event type on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "user.created",
            Self::Updated => "user.updated",
            Self::RolesChanged => "user.roles_changed",
            Self::Deleted => "user.deleted",
        }
    }
}

/// One message of `auth-events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEvent {
    /// What happened.
    pub kind: UserEventKind,
    /// The state after it.
    pub state: UserState,
}

impl UserEvent {
    /// Reads a delivered message.
    ///
    /// # Errors
    /// [`Unreadable`]: for the dead letters.
    pub fn read(delivered: &Delivered) -> Result<Self, Unreadable> {
        let event: Envelope<UserState> = envelope_of(delivered)?;
        let kinds = [
            UserEventKind::Created,
            UserEventKind::Updated,
            UserEventKind::RolesChanged,
            UserEventKind::Deleted,
        ];
        let kind = kinds
            .into_iter()
            .find(|kind| kind.name() == event.event_type);
        let kind =
            kind.ok_or_else(|| Unreadable(format!("unknown event type {}", event.event_type)))?;
        Ok(Self {
            kind,
            state: event.data,
        })
    }

    /// The outbox message.
    #[must_use]
    pub fn message(&self, event_id: Uuid, at: DateTime<Utc>) -> Message {
        let event = Envelope {
            event_type: self.kind.name().to_owned(),
            timestamp: at,
            data: &self.state,
        };
        message(
            &topics::AUTH_EVENTS,
            "auth",
            format!("user:{}", self.state.user_id),
            event_id,
            &event,
        )
    }
}
