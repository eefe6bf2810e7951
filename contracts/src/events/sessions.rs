//! `auth-signals` (spec/auth.md section 4).

use backends::bus::Delivered;
use backends::outbox::Message;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::envelope::{Envelope, Unreadable, envelope_of, message};
use crate::{UserId, topics};

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokeReason {
    /// Its holder signed out.
    Logout,
    /// Its holder or an administrator ended it from elsewhere.
    Revoked,
    /// The password changed.
    PasswordChanged,
    /// A refresh token was used again after it had been replaced.
    RefreshReused,
    /// The account was deactivated.
    Deactivated,
}

impl RevokeReason {
    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Revoked => "revoked",
            Self::PasswordChanged => "password_changed",
            Self::RefreshReused => "refresh_reused",
            Self::Deactivated => "deactivated",
        }
    }
}

/// A session ended before its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRevoked {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub session_id: Uuid,
    /// Why.
    pub reason: RevokeReason,
}

impl SessionRevoked {
    const TYPE: &str = "session.revoked";

    /// Reads a delivered message; `None` for another signal.
    ///
    /// # Errors
    /// [`Unreadable`]: for the dead letters.
    pub fn read(delivered: &Delivered) -> Result<Option<Self>, Unreadable> {
        let event: Envelope<serde_json::Value> = envelope_of(delivered)?;
        if event.event_type != Self::TYPE {
            return Ok(None);
        }
        serde_json::from_value(event.data)
            .map(Some)
            .map_err(|error| Unreadable(format!("does not parse: {error}")))
    }

    /// The outbox message.
    #[must_use]
    pub fn message(&self, event_id: Uuid, at: DateTime<Utc>) -> Message {
        let event = Envelope {
            event_type: Self::TYPE.to_owned(),
            timestamp: at,
            data: self,
        };
        message(
            &topics::AUTH_SIGNALS,
            "auth",
            format!("session:{}", self.session_id),
            event_id,
            &event,
        )
    }
}
