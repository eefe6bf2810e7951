//! Lists that page by key: an opaque cursor and the page it leads to.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::Problem;
use crate::routes::reference;

const VERSION: u8 = 1;
const CHECK: usize = 4;
/// Version, time and checksum around the id.
const FRAME: usize = 1 + 8 + CHECK;
const LONGEST_ID: usize = 64;

/// Where the next page begins: after the item with this time and id, in the list's own order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The time of the last item shown, in whole microseconds.
    pub at: DateTime<Utc>,
    /// The id of the last item shown, at most 64 bytes.
    pub id: Vec<u8>,
}

impl Cursor {
    /// The cursor as clients see it: base64url of version, time, id and a checksum. The checksum finds mistakes of
    /// copying; it is no signature, and a cursor gives no rights.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(FRAME + self.id.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.at.timestamp_micros().to_be_bytes());
        bytes.extend_from_slice(&self.id);
        let check = checksum(&bytes);
        bytes.extend_from_slice(&check);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor back.
    ///
    /// # Errors
    /// 400 `bad_cursor` when it was not made by [`encode`](Self::encode).
    pub fn decode(text: &str) -> Result<Self, Problem> {
        Self::read(text)
            .ok_or_else(|| Problem::bad_request("bad_cursor", "the cursor is not one of this list"))
    }

    fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        if bytes.len() < FRAME || bytes.len() > FRAME + LONGEST_ID || bytes[0] != VERSION {
            return None;
        }
        let (body, check) = bytes.split_at(bytes.len() - CHECK);
        if check != checksum(body) {
            return None;
        }
        let micros = i64::from_be_bytes(body[1..9].try_into().ok()?);
        Some(Self {
            at: DateTime::from_timestamp_micros(micros)?,
            id: body[9..].to_vec(),
        })
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECK] {
    let hash = Sha256::digest(bytes);
    [hash[0], hash[1], hash[2], hash[3]]
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; `null` on the last one.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The same page with each item changed by `f`.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(f).collect(),
            next_cursor: self.next_cursor,
        }
    }
}

/// Each kind of page has a name of its own, `Page_Thing`, so that two do not meet in one document.
impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("Page_{}", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        let _ = reference::<T>(schemas);
    }
}

impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let nullable = SchemaType::Array(vec![Type::String, Type::Null]);
        ObjectBuilder::new()
            .property(
                "items",
                ArrayBuilder::new().items(reference::<T>(&mut Vec::new())),
            )
            .required("items")
            .property("next_cursor", ObjectBuilder::new().schema_type(nullable))
            .required("next_cursor")
            .into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_of_another_version_is_refused() {
        let mut bytes = vec![2];
        bytes.extend_from_slice(&[0; 8]);
        let check = checksum(&bytes);
        bytes.extend_from_slice(&check);
        let problem = Cursor::decode(&URL_SAFE_NO_PAD.encode(bytes)).unwrap_err();
        assert_eq!(
            (problem.status().as_u16(), problem.code()),
            (400, "bad_cursor")
        );
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_was(micros in 0i64..4_102_444_800_000_000, id in prop::collection::vec(any::<u8>(), 0..=64)) {
            let cursor = Cursor { at: DateTime::from_timestamp_micros(micros).unwrap(), id };
            prop_assert_eq!(Cursor::decode(&cursor.encode()).unwrap(), cursor);
        }

        #[test]
        fn a_changed_character_is_noticed(place in 0usize..33, with in "[A-Za-z0-9_-]") {
            let cursor = Cursor { at: DateTime::from_timestamp_micros(1_772_438_400_000_000).unwrap(), id: vec![7; 12] };
            let mut text = cursor.encode();
            prop_assume!(text[place..=place] != with);
            text.replace_range(place..=place, &with);
            prop_assert!(Cursor::decode(&text).is_err());
        }

        #[test]
        fn any_text_is_refused_rather_than_a_panic(text in ".*") {
            prop_assert!(Cursor::decode(&text).is_err());
        }
    }
}
