//! `profile-events`: what others show of a person (spec/profile.md section 4). No address, no phone, no birthday.

use backends::bus::Delivered;
use backends::outbox::Message;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::envelope::{Envelope, Unreadable, envelope_of, message};
use crate::{UserId, topics};

/// The whole state of a profile, as everybody who shows a name may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileState {
    /// Whose.
    pub user_id: UserId,
    /// What the person is called; never empty.
    pub display_name: String,
    /// Where their picture is, if there is one.
    pub photo_url: Option<String>,
    /// The language they read, as a BCP 47 tag.
    pub language: Option<String>,
    /// Where their clock is, as an IANA name.
    pub time_zone: Option<String>,
    /// Grows by one with every change.
    pub version: i64,
}

/// There is nothing to show of the person any longer; the last thing its key says until they fill in a profile again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileDeleted {
    /// Whose.
    pub user_id: UserId,
    /// Above every earlier version.
    pub version: i64,
}

/// One message of `profile-events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileEvent {
    /// New, or changed.
    Updated(ProfileState),
    /// Gone, or hidden from others.
    Deleted(ProfileDeleted),
}

impl ProfileEvent {
    /// Reads a delivered message.
    ///
    /// # Errors
    /// [`Unreadable`]: for the dead letters.
    pub fn read(delivered: &Delivered) -> Result<Self, Unreadable> {
        let kind: Envelope<serde::de::IgnoredAny> = envelope_of(delivered)?;
        match kind.event_type.as_str() {
            UPDATED => envelope_of(delivered).map(|event| Self::Updated(event.data)),
            DELETED => envelope_of(delivered).map(|event| Self::Deleted(event.data)),
            other => Err(Unreadable(format!("unknown event type {other}"))),
        }
    }

    /// Whose profile it is about.
    #[must_use]
    pub fn user_id(&self) -> UserId {
        match self {
            Self::Updated(profile) => profile.user_id,
            Self::Deleted(profile) => profile.user_id,
        }
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> i64 {
        match self {
            Self::Updated(profile) => profile.version,
            Self::Deleted(profile) => profile.version,
        }
    }

    /// The outbox message.
    #[must_use]
    pub fn message(&self, event_id: Uuid, at: DateTime<Utc>) -> Message {
        match self {
            Self::Updated(profile) => told(UPDATED, profile.user_id, profile, event_id, at),
            Self::Deleted(profile) => told(DELETED, profile.user_id, profile, event_id, at),
        }
    }
}

const UPDATED: &str = "profile.updated";
const DELETED: &str = "profile.deleted";

fn told<T: Serialize>(
    event_type: &str,
    user: UserId,
    data: T,
    event_id: Uuid,
    at: DateTime<Utc>,
) -> Message {
    let event = Envelope {
        event_type: event_type.to_owned(),
        timestamp: at,
        data,
    };
    message(
        &topics::PROFILE_EVENTS,
        "profile",
        format!("profile:{user}"),
        event_id,
        &event,
    )
}
