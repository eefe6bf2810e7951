//! The identifiers that travel between services.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A person: the integer key of the whole product. People keep the ids they had in the systems they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct UserId(pub i64);

impl<'de> Deserialize<'de> for UserId {
    /// Ids begin at 1: everything else names nobody.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = i64::deserialize(deserializer)?;
        if id < 1 {
            return Err(serde::de::Error::custom("is no id of a person"));
        }
        Ok(Self(id))
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for UserId {
    type Err = MalformedId;

    /// Takes plain decimal digits without sign, blanks or leading zeros, so that one person has one spelling.
    fn from_str(text: &str) -> Result<Self, MalformedId> {
        let plain =
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        if !plain {
            return Err(MalformedId);
        }
        text.parse().map(Self).map_err(|_| MalformedId)
    }
}

/// A post: 12 bytes, written as 24 hex characters (an `ObjectId` in the systems people come from).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PostId(pub [u8; 12]);

impl fmt::Display for PostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PostId {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        let mut bytes = [0; 12];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| MalformedId)?;
        Ok(Self(bytes))
    }
}

impl Serialize for PostId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PostId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for PostId {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        String::schema()
    }
}

impl utoipa::ToSchema for PostId {}

/// The text is not an identifier of this kind. Outside, this is a 404 like any id that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed identifier")]
pub struct MalformedId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_id_is_24_hex_characters_and_nothing_else() {
        let id: PostId = "65f0a1b2c3d4e5f601234567".parse().unwrap();
        assert_eq!(id.to_string(), "65f0a1b2c3d4e5f601234567");
        for bad in [
            "",
            "65f0",
            "65f0a1b2c3d4e5f60123456g",
            "65f0a1b2c3d4e5f60123456700",
            " 5f0a1b2c3d4e5f601234567",
        ] {
            assert!(bad.parse::<PostId>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_person_has_one_spelling() {
        assert_eq!("42".parse(), Ok(UserId(42)));
        for bad in [
            "",
            "042",
            "+42",
            "-1",
            "4 2",
            "0",
            "99999999999999999999",
            "４２",
        ] {
            assert!(bad.parse::<UserId>().is_err(), "{bad:?} was taken");
        }
    }
}
