//! A profile as this service keeps it, and what others are told about it.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::UserId;
use contracts::events::{ProfileDeleted, ProfileEvent, ProfileState};
use serde_json::{Map, Value};

/// What a person says about themselves. Texts are in the form of `crate::validate`; an empty one is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// What they want to be called, where that is not "first last" (rule 8).
    pub display_name: Option<String>,
    /// Pronouns.
    pub pronouns: Option<String>,
    /// Birthday.
    pub dob: Option<NaiveDate>,
    /// Street and number; may have lines.
    pub address: Option<String>,
    /// City.
    pub city: Option<String>,
    /// State or county.
    pub state: Option<String>,
    /// Postal code.
    pub zip_code: Option<String>,
    /// Country.
    pub country: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Plain text; may have lines.
    pub bio: Option<String>,
    /// Anything a client keeps for the person.
    pub preferences: Option<Map<String, Value>>,
    /// The language they read, as a BCP 47 tag.
    pub language: Option<String>,
    /// Where their clock is, as an IANA name.
    pub time_zone: Option<String>,
}

/// How far a profile is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Made by the account: it gives others a name, and is no profile for its owner (rule 1).
    Shell,
    /// Somebody filled it.
    Filled,
    /// Its owner deleted it.
    Deleted,
}

/// What the account says, of which every profile is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// First and last name, or the user name.
    pub name: String,
    /// Of the account's state; 0: not heard of yet, and the name is from a token.
    pub version: i64,
    /// Deactivated: others see nothing of the person.
    pub gone: bool,
}

/// What is kept of one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Whose.
    pub user_id: UserId,
    /// How far it is a profile.
    pub standing: Standing,
    /// What they say.
    pub fields: Fields,
    /// What their account says.
    pub account: Account,
    /// 1 at first, one more with every change of what anybody sees of it.
    pub version: i64,
    /// When it was filled; of a shell, when it was made.
    pub created_at: DateTime<Utc>,
    /// The last change.
    pub updated_at: DateTime<Utc>,
}

impl Profile {
    /// What the person is called (rule 8).
    #[must_use]
    pub fn display_name(&self) -> String {
        let Fields {
            display_name,
            first_name,
            last_name,
            ..
        } = &self.fields;
        shown_name(
            display_name.as_deref(),
            first_name.as_deref(),
            last_name.as_deref(),
            &self.account.name,
        )
    }

    /// Whether its owner has a profile.
    #[must_use]
    pub fn is_filled(&self) -> bool {
        self.standing == Standing::Filled
    }

    /// What others are told of it; `None`: nothing.
    #[must_use]
    pub fn told(&self) -> Option<ProfileState> {
        (self.standing != Standing::Deleted && !self.account.gone).then(|| ProfileState {
            user_id: self.user_id,
            display_name: self.display_name(),
            photo_url: None,
            language: self.fields.language.clone(),
            time_zone: self.fields.time_zone.clone(),
            version: self.version,
        })
    }

    /// The event of a change to this, or of its beginning; `None` where nobody was told anything and nobody is now.
    #[must_use]
    pub fn event(&self, before: Option<&Self>) -> Option<ProfileEvent> {
        match (before.and_then(Self::told), self.told()) {
            (_, Some(now)) => Some(ProfileEvent::Updated(now)),
            (Some(_), None) => Some(ProfileEvent::Deleted(ProfileDeleted {
                user_id: self.user_id,
                version: self.version,
            })),
            (None, None) => None,
        }
    }
}

/// The own choice, else "first last", else what the account is called (rule 8).
#[must_use]
pub fn shown_name(
    own: Option<&str>,
    first: Option<&str>,
    last: Option<&str>,
    account: &str,
) -> String {
    match (own, first, last) {
        (Some(own), _, _) => own.to_owned(),
        (None, Some(first), Some(last)) => format!("{first} {last}"),
        (None, Some(one), None) | (None, None, Some(one)) => one.to_owned(),
        (None, None, None) => account.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_choice_comes_before_first_and_last_name_and_these_before_the_account() {
        for (own, first, last, shown) in [
            (Some("Nessi"), Some("Ines"), Some("Roy"), "Nessi"),
            (None, Some("Ines"), Some("Roy"), "Ines Roy"),
            (None, Some("Ines"), None, "Ines"),
            (None, None, Some("Roy"), "Roy"),
            (None, None, None, "ines"),
        ] {
            assert_eq!(shown_name(own, first, last, "ines"), shown);
        }
    }
}
