//! What a token says.

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

/// What kind of caller a token names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// A person.
    #[default]
    Person,
    /// Another service.
    Service,
}

impl TokenKind {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_person(&self) -> bool {
        *self == Self::Person
    }
}

/// The claims of a token. Times are unix seconds; a fraction, which Python writes, is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who made the token; empty in tokens of others that do not say so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub iss: String,
    /// For whom it is made.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "audience"
    )]
    pub aud: Option<String>,
    /// Whom it names: a string always, a number is refused.
    pub sub: String,
    /// What kind of caller; not written for a person.
    #[serde(default, skip_serializing_if = "TokenKind::is_person")]
    pub kind: TokenKind,
    /// The person's e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The person's name for signing in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// What the caller may be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The session it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<Uuid>,
    /// Its own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<Uuid>,
    /// When it was made; 0 when it does not say so.
    #[serde(default, deserialize_with = "seconds", skip_serializing_if = "is_zero")]
    pub iat: i64,
    /// When it ends. A token without it is refused.
    #[serde(deserialize_with = "seconds")]
    pub exp: i64,
    /// Before when it is not valid.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "maybe_seconds"
    )]
    pub nbf: Option<i64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(seconds: &i64) -> bool {
    *seconds == 0
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Whole(i64),
    Fraction(f64),
}

impl Number {
    fn seconds(self) -> i64 {
        match self {
            Self::Whole(seconds) => seconds,
            Self::Fraction(seconds) => seconds.floor() as i64,
        }
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    Number::deserialize(deserializer).map(Number::seconds)
}

fn maybe_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(Option::<Number>::deserialize(deserializer)?.map(Number::seconds))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Listed([String; 1]),
}

/// RFC 7519 section 4.1.3: a string or a list; a list of several is for others too and is refused.
fn audience<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(
        Option::<Audience>::deserialize(deserializer)?.map(|audience| match audience {
            Audience::One(one) | Audience::Listed([one]) => one,
        }),
    )
}
