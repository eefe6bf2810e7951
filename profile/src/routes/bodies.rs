//! What is sent and answered.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use contracts::UserId;
use kit::FieldErrors;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error::Error;
use crate::merge::{Change, Given};
use crate::model;
use crate::store;
use crate::validate::{
    self, ADDRESS_MAX, BIO_MAX, DISPLAY_NAME_MAX, Lines, NAME_MAX, PHONE_MAX, PRONOUNS_MAX,
    ZIP_CODE_MAX,
};

/// One's own profile. The fields up to `updated_at` are those clients of earlier systems know.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Profile)]
pub struct ProfileBody {
    /// The owner's `user_id`: a person has one profile.
    id: UserId,
    /// The owner.
    user_id: UserId,
    /// First name.
    first_name: Option<String>,
    /// Last name.
    last_name: Option<String>,
    /// Birthday, `YYYY-MM-DD`.
    dob: Option<NaiveDate>,
    /// Street and number.
    address: Option<String>,
    /// City.
    city: Option<String>,
    /// State or county.
    state: Option<String>,
    /// Postal code.
    zip_code: Option<String>,
    /// Country.
    country: Option<String>,
    /// Telephone number.
    phone: Option<String>,
    /// Plain text.
    bio: Option<String>,
    /// What clients keep for the person.
    #[schema(value_type = Option<Object>)]
    preferences: Option<Map<String, Value>>,
    /// When it was filled in.
    created_at: DateTime<Utc>,
    /// The last change.
    updated_at: DateTime<Utc>,
    /// What the person is called: their own choice, else first and last name, else as their account.
    display_name: String,
    /// Pronouns.
    pronouns: Option<String>,
    /// A BCP 47 tag.
    language: Option<String>,
    /// An IANA name.
    time_zone: Option<String>,
    /// No profile has a photo.
    photo_url: Option<String>,
    /// Who sees what besides its owner: the school the display name, nobody anything else.
    visibility: BTreeMap<&'static str, &'static str>,
    /// One more with every change; also the `ETag`.
    version: i64,
}

/// Who sees which field: nobody can choose yet.
const VISIBILITY: [(&str, &str); 7] = [
    ("display_name", "school"),
    ("photo_url", "self"),
    ("bio", "self"),
    ("phone", "self"),
    ("address", "self"),
    ("dob", "self"),
    ("preferences", "self"),
];

impl From<model::Profile> for ProfileBody {
    fn from(profile: model::Profile) -> Self {
        let display_name = profile.display_name();
        let fields = profile.fields;
        Self {
            id: profile.user_id,
            user_id: profile.user_id,
            first_name: fields.first_name,
            last_name: fields.last_name,
            dob: fields.dob,
            address: fields.address,
            city: fields.city,
            state: fields.state,
            zip_code: fields.zip_code,
            country: fields.country,
            phone: fields.phone,
            bio: fields.bio,
            preferences: fields.preferences,
            created_at: profile.created_at,
            updated_at: profile.updated_at,
            display_name,
            pronouns: fields.pronouns,
            language: fields.language,
            time_zone: fields.time_zone,
            photo_url: None,
            visibility: VISIBILITY.into_iter().collect(),
            version: profile.version,
        }
    }
}

/// A profile to fill in, or what changes of one: what is absent stays, what is null is cleared.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileChange {
    /// Clients of earlier systems send it: the caller's own, or absent.
    #[schema(value_type = Option<i64>)]
    user_id: Option<Value>,
    /// Up to 100 characters.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    first_name: Given<String>,
    /// Up to 100 characters.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    last_name: Given<String>,
    /// Up to 80 characters; null: first and last name.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    display_name: Given<String>,
    /// Up to 40 characters.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pronouns: Given<String>,
    /// `YYYY-MM-DD`, from 1900 on, not in the future.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    dob: Given<String>,
    /// Up to 500 characters; may have lines.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    address: Given<String>,
    /// Up to 100 characters.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    city: Given<String>,
    /// Up to 100 characters.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    state: Given<String>,
    /// Up to 20 characters.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    zip_code: Given<String>,
    /// Up to 100 characters.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    country: Given<String>,
    /// Up to 40 characters.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    phone: Given<String>,
    /// Up to 2000 characters of plain text; may have lines.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    bio: Given<String>,
    /// An object of up to 16 KiB and 16 levels, or a text that holds one; it takes the place of the earlier one as a whole.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Object>)]
    preferences: Given<Value>,
    /// A BCP 47 tag.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    language: Given<String>,
    /// An IANA name.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    time_zone: Given<String>,
}

/// `null` is a value here: it clears.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Given<T>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

impl ProfileChange {
    /// The change in the form in which it is kept.
    ///
    /// # Errors
    /// [`Error::UserMismatch`], and everything that is wrong with the fields.
    pub fn checked(self, caller: UserId, today: NaiveDate) -> Result<Change, Error> {
        if self
            .user_id
            .is_some_and(|named| named.as_i64() != Some(caller.0))
        {
            return Err(Error::UserMismatch);
        }
        let mut errors = FieldErrors::default();
        let preferences = match self.preferences {
            Some(Some(given)) => Some(validate::preferences(given, &mut errors)?),
            Some(None) => Some(None),
            None => None,
        };
        let mut text = |name, given: Given<String>, max, lines| {
            given.map(|text| {
                text.and_then(|text| validate::text(name, &text, max, lines, &mut errors))
            })
        };
        let mut line = |name, given, max| text(name, given, max, Lines::One);
        let change = Change {
            first_name: line("first_name", self.first_name, NAME_MAX),
            last_name: line("last_name", self.last_name, NAME_MAX),
            display_name: line("display_name", self.display_name, DISPLAY_NAME_MAX),
            pronouns: line("pronouns", self.pronouns, PRONOUNS_MAX),
            city: line("city", self.city, NAME_MAX),
            state: line("state", self.state, NAME_MAX),
            zip_code: line("zip_code", self.zip_code, ZIP_CODE_MAX),
            country: line("country", self.country, NAME_MAX),
            phone: line("phone", self.phone, PHONE_MAX),
            address: text("address", self.address, ADDRESS_MAX, Lines::Many),
            bio: text("bio", self.bio, BIO_MAX, Lines::Many),
            preferences,
            dob: self
                .dob
                .map(|dob| dob.and_then(|dob| validate::date("dob", &dob, today, &mut errors))),
            language: self
                .language
                .map(|tag| tag.and_then(|tag| validate::language("language", &tag, &mut errors))),
            time_zone: self.time_zone.map(|zone| {
                zone.and_then(|zone| validate::time_zone("time_zone", &zone, &mut errors))
            }),
        };
        errors.check()?;
        Ok(change)
    }
}

/// What a person is called.
#[derive(Debug, Serialize, ToSchema)]
pub struct Name {
    /// The person.
    user_id: UserId,
    /// What they are called.
    display_name: String,
    /// No profile has a photo.
    photo_url: Option<String>,
}

impl From<store::Shown> for Name {
    fn from(shown: store::Shown) -> Self {
        Self {
            user_id: shown.user_id,
            display_name: shown.display_name,
            photo_url: None,
        }
    }
}

/// What several people are called.
#[derive(Debug, Serialize, ToSchema)]
pub struct Names {
    /// By id; who is not visible is left out.
    pub items: Vec<Name>,
}

/// Done.
#[derive(Debug, Serialize, ToSchema)]
pub struct Message {
    /// What was done.
    pub message: &'static str,
}
