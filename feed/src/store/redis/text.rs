//! What is kept, as text that sorts as it does: so a range of places is a range by text, and no number is ever a float.

use chrono::{DateTime, Utc};
use contracts::{Audience, PostId, UserId};
use serde::{Deserialize, Serialize};

use super::reply::strange;
use crate::change::{Order, Touch};
use crate::item::Body;
use crate::position::Position;
use crate::projection::Line;
use crate::store::StoreError;

/// Between what a list is made of.
const TAGS: &str = "\u{1f}";

/// Microseconds; those before 1970 are below the others.
pub(super) fn time(at: DateTime<Utc>) -> String {
    number(at.timestamp_micros())
}

pub(super) fn time_or_none(at: Option<DateTime<Utc>>) -> String {
    at.map(time).unwrap_or_default()
}

pub(super) fn time_of(text: &str) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(number_of(text)?).ok_or_else(|| strange("a time"))
}

/// Yes or no, as scripts take it.
pub(super) fn flag(flag: bool) -> String {
    u8::from(flag).to_string()
}

/// A number that may be negative.
pub(super) fn number(number: i64) -> String {
    format!("{:016x}", number.cast_unsigned() ^ (1 << 63))
}

pub(super) fn number_of(text: &str) -> Result<i64, StoreError> {
    let number = u64::from_str_radix(text, 16).map_err(|_| strange("a number"))?;
    Ok((number ^ (1 << 63)).cast_signed())
}

pub(super) fn place(position: Position) -> String {
    format!("{}{}", time(position.at), position.id)
}

pub(super) fn place_of(text: &str) -> Result<Position, StoreError> {
    let (at, id) = text
        .split_at_checked(16)
        .ok_or_else(|| strange("a place"))?;
    Ok(Position {
        at: time_of(at)?,
        id: post(id)?,
    })
}

pub(super) fn post(text: &str) -> Result<PostId, StoreError> {
    text.parse().map_err(|_| strange("an id"))
}

/// Whatever the owner says is above whatever a foreign producer says, then the version decides, then the rank.
pub(super) fn order(order: Order) -> String {
    format!(
        "{}{}{:02x}",
        u8::from(order.owned),
        number(order.version),
        order.rank
    )
}

pub(super) fn order_of(text: &str) -> Result<Order, StoreError> {
    let (Some(owned), Some(version), Some(rank)) = (text.get(..1), text.get(1..17), text.get(17..))
    else {
        return Err(strange("an order"));
    };
    Ok(Order {
        owned: owned == "1",
        version: number_of(version)?,
        rank: u8::from_str_radix(rank, 16).map_err(|_| strange("an order"))?,
    })
}

pub(super) fn audiences(keys: &[Audience]) -> String {
    let keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
    keys.join(",")
}

pub(super) fn audiences_of(text: &str) -> Result<Vec<Audience>, StoreError> {
    let keys = text.split(',').filter(|key| !key.is_empty());
    keys.map(|key| key.parse().map_err(|_| strange("an audience")))
        .collect()
}

pub(super) fn tags(tags: &[String]) -> String {
    tags.join(TAGS)
}

pub(super) fn line_of(text: &str) -> Result<Line, StoreError> {
    let person = text.strip_prefix("by:").map(str::parse);
    match person {
        Some(user) => user.map(Line::Person).map_err(|_| strange("a person")),
        None => text
            .parse()
            .map(Line::Audience)
            .map_err(|_| strange("a line")),
    }
}

/// A foreign update without what it is found by.
#[derive(Serialize, Deserialize)]
struct Update {
    at: DateTime<Utc>,
    title: Option<String>,
    content: Option<String>,
}

pub(super) fn touch(touch: &Touch) -> String {
    let update = Update {
        at: touch.at,
        title: touch.title.clone(),
        content: touch.content.clone(),
    };
    serde_json::to_string(&update).expect("a time and two texts serialise")
}

pub(super) fn touch_of(id: PostId, order: Order, text: &str) -> Result<Touch, StoreError> {
    let update: Update = serde_json::from_str(text).map_err(|_| strange("an update"))?;
    Ok(Touch {
        id,
        order,
        at: update.at,
        title: update.title,
        content: update.content,
    })
}

/// An item as it is kept: who wrote it, where what depends on the reader stands, for whom it is, and then its JSON.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) user: UserId,
    pub(super) audiences: Vec<Audience>,
    pub(super) body: Body,
}

pub(super) fn body(user: UserId, to: &[Audience], body: &Body) -> Vec<u8> {
    let [a, b, c, d] = body.marks();
    let mut text = format!("{user} {a} {b} {c} {d} {}\n", audiences(to)).into_bytes();
    text.extend_from_slice(body.json());
    text
}

pub(super) fn body_of(bytes: &[u8]) -> Result<Kept, StoreError> {
    let wrong = || strange("a body");
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (head, json) = bytes.split_at(end.ok_or_else(wrong)?);
    let head = std::str::from_utf8(head).map_err(|_| wrong())?;
    let parts: Vec<_> = head.split(' ').collect();
    let [user, marks @ .., to] = parts.as_slice() else {
        return Err(wrong());
    };
    let marks: Vec<u32> = marks.iter().filter_map(|mark| mark.parse().ok()).collect();
    let marks: [u32; 4] = marks.try_into().map_err(|_| wrong())?;
    Ok(Kept {
        user: user.parse().map_err(|_| wrong())?,
        audiences: audiences_of(to)?,
        body: Body::marked(json[1..].into(), marks).ok_or_else(wrong)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_order() -> impl Strategy<Value = Order> {
        (any::<bool>(), any::<i64>(), 0..3_u8).prop_map(|(owned, version, rank)| Order {
            owned,
            version,
            rank,
        })
    }

    fn any_position() -> impl Strategy<Value = Position> {
        let micros = -62_000_000_000_000_000..253_402_300_799_000_000_i64;
        (micros, any::<[u8; 12]>()).prop_map(|(micros, id)| Position {
            at: DateTime::from_timestamp_micros(micros).unwrap(),
            id: PostId(id),
        })
    }

    proptest! {
        #[test]
        fn orders_and_places_sort_as_their_texts_and_come_back(a in any_order(), b in any_order(), p in any_position(), q in any_position()) {
            prop_assert_eq!(a.cmp(&b), order(a).cmp(&order(b)));
            prop_assert_eq!(order_of(&order(a)).unwrap(), a);
            prop_assert_eq!(p.cmp(&q), place(p).cmp(&place(q)));
            prop_assert_eq!(place_of(&place(p)).unwrap(), p);
        }
    }

    #[test]
    fn what_is_cut_off_is_no_body_and_no_place() {
        for bad in [
            "",
            "7 1 2 3 4 school",
            "7 1 2 3 school\n{}",
            "7 90 91 92 93 school\n{}",
            "x 0 0 0 0 school\n{}",
        ] {
            assert!(body_of(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(place_of("8000").is_err() && order_of("1").is_err());
    }
}
