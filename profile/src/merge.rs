//! How a change meets what is kept (rule 2): absent is unchanged, `null` is cleared, anything else is the new value.

use chrono::NaiveDate;
use serde_json::{Map, Value};

use crate::model::Fields;

/// A field of a change: `None` keeps, `Some(None)` clears, `Some(Some(_))` sets.
pub type Given<T> = Option<Option<T>>;

/// What shall be different, with its values in the form in which they are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// As in [`Fields`].
    pub first_name: Given<String>,
    /// As in [`Fields`].
    pub last_name: Given<String>,
    /// As in [`Fields`].
    pub display_name: Given<String>,
    /// As in [`Fields`].
    pub pronouns: Given<String>,
    /// As in [`Fields`].
    pub dob: Given<NaiveDate>,
    /// As in [`Fields`].
    pub address: Given<String>,
    /// As in [`Fields`].
    pub city: Given<String>,
    /// As in [`Fields`].
    pub state: Given<String>,
    /// As in [`Fields`].
    pub zip_code: Given<String>,
    /// As in [`Fields`].
    pub country: Given<String>,
    /// As in [`Fields`].
    pub phone: Given<String>,
    /// As in [`Fields`].
    pub bio: Given<String>,
    /// As in [`Fields`]; the object as a whole.
    pub preferences: Given<Map<String, Value>>,
    /// As in [`Fields`].
    pub language: Given<String>,
    /// As in [`Fields`].
    pub time_zone: Given<String>,
}

impl Change {
    /// The fields after the change.
    #[must_use]
    pub fn applied_to(self, had: Fields) -> Fields {
        Fields {
            first_name: self.first_name.unwrap_or(had.first_name),
            last_name: self.last_name.unwrap_or(had.last_name),
            display_name: self.display_name.unwrap_or(had.display_name),
            pronouns: self.pronouns.unwrap_or(had.pronouns),
            dob: self.dob.unwrap_or(had.dob),
            address: self.address.unwrap_or(had.address),
            city: self.city.unwrap_or(had.city),
            state: self.state.unwrap_or(had.state),
            zip_code: self.zip_code.unwrap_or(had.zip_code),
            country: self.country.unwrap_or(had.country),
            phone: self.phone.unwrap_or(had.phone),
            bio: self.bio.unwrap_or(had.bio),
            preferences: self.preferences.unwrap_or(had.preferences),
            language: self.language.unwrap_or(had.language),
            time_zone: self.time_zone.unwrap_or(had.time_zone),
        }
    }
}
