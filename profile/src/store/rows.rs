//! How a profile stands in its row.

use backends::db::{Query, Tx};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::UserId;
use serde_json::{Map, Value};
use sqlx::types::Json;

use crate::error::Error;
use crate::model::{Account, Fields, Profile, Standing};

/// One row by its key.
pub(super) const BY_USER: &str = "SELECT user_id, standing, first_name, last_name, display_name, pronouns, dob, address, city, state, \
     zip_code, country, phone, bio, preferences, language, time_zone, account_name, account_version, account_gone, version, created_at, \
     updated_at FROM profiles WHERE user_id = $1";

/// Makes a row unless there is one.
const INSERT: &str = "INSERT INTO profiles (user_id, standing, first_name, last_name, display_name, pronouns, dob, address, city, state, \
     zip_code, country, phone, bio, preferences, language, time_zone, account_name, account_version, account_gone, version, created_at, \
     updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23) \
     ON CONFLICT (user_id) DO NOTHING";

/// Changes a row that still is as it was read. The account's version is a part of that, because it may move alone.
const UPDATE: &str = "UPDATE profiles SET standing = $2, first_name = $3, last_name = $4, display_name = $5, pronouns = $6, dob = $7, \
     address = $8, city = $9, state = $10, zip_code = $11, country = $12, phone = $13, bio = $14, preferences = $15, language = $16, \
     time_zone = $17, account_name = $18, account_version = $19, account_gone = $20, version = $21, created_at = $22, updated_at = $23 \
     WHERE user_id = $1 AND version = $24 AND account_version = $25";

/// A row as the database returns it.
#[derive(sqlx::FromRow)]
struct Row {
    user_id: i64,
    standing: String,
    first_name: Option<String>,
    last_name: Option<String>,
    display_name: Option<String>,
    pronouns: Option<String>,
    dob: Option<NaiveDate>,
    address: Option<String>,
    city: Option<String>,
    state: Option<String>,
    zip_code: Option<String>,
    country: Option<String>,
    phone: Option<String>,
    bio: Option<String>,
    preferences: Option<Json<Map<String, Value>>>,
    language: Option<String>,
    time_zone: Option<String>,
    account_name: String,
    account_version: i64,
    account_gone: bool,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Profile {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            user_id: UserId(row.user_id),
            standing: standing(&row.standing)?,
            fields: Fields {
                first_name: row.first_name,
                last_name: row.last_name,
                display_name: row.display_name,
                pronouns: row.pronouns,
                dob: row.dob,
                address: row.address,
                city: row.city,
                state: row.state,
                zip_code: row.zip_code,
                country: row.country,
                phone: row.phone,
                bio: row.bio,
                preferences: row.preferences.map(|preferences| preferences.0),
                language: row.language,
                time_zone: row.time_zone,
            },
            account: Account {
                name: row.account_name,
                version: row.account_version,
                gone: row.account_gone,
            },
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

fn standing(text: &str) -> Result<Standing, Error> {
    [Standing::Shell, Standing::Filled, Standing::Deleted]
        .into_iter()
        .find(|standing| standing_name(*standing) == text)
        .ok_or_else(|| {
            Error::Problem(kit::problem::Problem::internal(anyhow::anyhow!(
                "the column profiles.standing cannot be read"
            )))
        })
}

fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Shell => "shell",
        Standing::Filled => "filled",
        Standing::Deleted => "deleted",
    }
}

/// The row of this person, of a query by [`BY_USER`].
pub(super) async fn find(query: Query<'_>, user: UserId) -> Result<Option<Profile>, Error> {
    let row: Option<Row> = query.bind(user.0).optional().await?;
    row.map(Profile::try_from).transpose()
}

/// `false`: there is a row already.
pub(super) async fn insert(tx: &mut Tx, profile: &Profile) -> Result<bool, Error> {
    Ok(bound(tx.query(INSERT), profile).execute().await? == 1)
}

/// `false`: it is not as it was read any longer.
pub(super) async fn update(tx: &mut Tx, read: &Profile, next: &Profile) -> Result<bool, Error> {
    let changed = bound(tx.query(UPDATE), next)
        .bind(read.version)
        .bind(read.account.version)
        .execute()
        .await?;
    Ok(changed == 1)
}

/// Every column in its order.
fn bound<'q>(query: Query<'q>, profile: &Profile) -> Query<'q> {
    let Fields {
        first_name,
        last_name,
        display_name,
        pronouns,
        dob,
        address,
        city,
        state,
        zip_code,
        country,
        phone,
        bio,
        preferences,
        language,
        time_zone,
    } = profile.fields.clone();
    query
        .bind(profile.user_id.0)
        .bind(standing_name(profile.standing))
        .bind(first_name)
        .bind(last_name)
        .bind(display_name)
        .bind(pronouns)
        .bind(dob)
        .bind(address)
        .bind(city)
        .bind(state)
        .bind(zip_code)
        .bind(country)
        .bind(phone)
        .bind(bio)
        .bind(preferences.map(Json))
        .bind(language)
        .bind(time_zone)
        .bind(profile.account.name.clone())
        .bind(profile.account.version)
        .bind(profile.account.gone)
        .bind(profile.version)
        .bind(profile.created_at)
        .bind(profile.updated_at)
}
