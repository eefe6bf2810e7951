//! What a record looks like among the dead letters: the original, with why and where from in its headers.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::bus::{Again, Delivered, Record, dead_letters, of_dead_letters};

const REASON: &str = "dlq_reason";
const TOPIC: &str = "dlq_topic";
const PARTITION: &str = "dlq_partition";
const OFFSET: &str = "dlq_offset";
const FIRST_SEEN: &str = "dlq_first_seen";
const EVENT_ID: &str = "dlq_event_id";
const OWN: [&str; 6] = [REASON, TOPIC, PARTITION, OFFSET, FIRST_SEEN, EVENT_ID];

/// Most characters of a payload that are shown.
const PREVIEW: usize = 200;

/// A record that a consumer could not apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The topic the record was published to.
    pub topic: String,
    /// The letter's own place among the dead letters of that topic; what [`super::Which::One`] takes.
    pub offset: i64,
    /// Where the record lay in its topic; unknown for letters that no consumer of ours wrote.
    pub origin: Option<Origin>,
    /// The record's key.
    pub key: Option<String>,
    /// Why it was not applied, in the consumer's words.
    pub reason: String,
    /// When the log took the record the first time.
    pub first_seen: DateTime<Utc>,
    /// How long ago that is.
    pub age_seconds: i64,
    /// The first 200 characters of the payload, where they were asked for: they may be personal data.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub payload: Option<String>,
}

/// The place of a record in its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The partition.
    pub partition: i32,
    /// The place in it.
    pub offset: i64,
}

/// The letter for `<topic>.dlq`. Its id is made from the place, so that a crash between this and the commit does not make
/// two letters of one record.
pub(crate) fn of(delivered: &Delivered, reason: &str) -> Record {
    let Delivered {
        record,
        partition,
        offset,
        at,
    } = delivered;
    let mut headers = record.headers.clone();
    for (name, value) in [
        (REASON, Some(reason.to_owned())),
        (TOPIC, Some(record.topic.clone())),
        (PARTITION, Some(partition.to_string())),
        (OFFSET, Some(offset.to_string())),
        (
            FIRST_SEEN,
            Some(at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        ),
        (EVENT_ID, record.event_id.map(|id| id.to_string())),
    ] {
        if let Some(value) = value {
            headers.insert(name.to_owned(), value);
        }
    }
    Record {
        topic: dead_letters(&record.topic),
        key: record.key.clone(),
        payload: record.payload.clone(),
        headers,
        event_id: Some(id(&record.topic, *partition, *offset)),
    }
}

/// The id of what stands for one place in the log.
fn id(topic: &str, partition: i32, offset: i64) -> Uuid {
    let place = format!("{topic}/{partition}/{offset}");
    Uuid::new_v5(&Uuid::NAMESPACE_URL, place.as_bytes())
}

impl DeadLetter {
    /// Reads a record of a `<topic>.dlq`, also one that somebody else put there.
    pub(super) fn read(letter: &Delivered, now: DateTime<Utc>, payload: bool) -> DeadLetter {
        let header = |name: &str| letter.record.headers.get(name);
        let first_seen = header(FIRST_SEEN)
            .and_then(|text| DateTime::parse_from_rfc3339(text).ok())
            .map_or(letter.at, |at| at.to_utc());
        DeadLetter {
            topic: topic(letter),
            offset: letter.offset,
            origin: origin(letter),
            key: letter.record.key.clone(),
            reason: header(REASON).cloned().unwrap_or_default(),
            first_seen,
            age_seconds: (now - first_seen).num_seconds().max(0),
            payload: payload.then(|| preview(&letter.record.payload)),
        }
    }
}

/// The record as it was before it became this letter, ready to go out again. The letter's place makes the attempt: a record
/// that fails again becomes another letter, and so another attempt.
pub(super) fn again(letter: &Delivered) -> Again {
    let mut headers = letter.record.headers.clone();
    // letters written before their header was: the relay names the event in one of the record's own
    let event_id = [EVENT_ID, "ce_id"]
        .iter()
        .find_map(|name| headers.get(*name)?.parse().ok());
    for own in OWN {
        headers.remove(own);
    }
    Again {
        once: id(&letter.record.topic, letter.partition, letter.offset),
        first: origin(letter).map(|origin| (origin.partition, origin.offset)),
        record: Record {
            topic: topic(letter),
            key: letter.record.key.clone(),
            payload: letter.record.payload.clone(),
            headers,
            event_id,
        },
    }
}

/// By the place it lies in and not by its header: a letter never goes to another topic than the one whose dead letters
/// were asked for.
fn topic(letter: &Delivered) -> String {
    let lies_in = letter.record.topic.as_str();
    of_dead_letters(lies_in).unwrap_or(lies_in).to_owned()
}

fn origin(letter: &Delivered) -> Option<Origin> {
    let number = |name: &str| letter.record.headers.get(name);
    Some(Origin {
        partition: number(PARTITION)?.parse().ok()?,
        offset: number(OFFSET)?.parse().ok()?,
    })
}

/// Cut before it is decoded, so that a large payload costs nothing.
fn preview(payload: &[u8]) -> String {
    let cut = &payload[..payload.len().min(PREVIEW * 4)];
    let text = String::from_utf8_lossy(cut);
    let mut shown: String = text.chars().take(PREVIEW).collect();
    if shown.chars().count() < text.chars().count() || cut.len() < payload.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_bounded_and_never_fails() {
        assert_eq!(preview(b"short"), "short");
        assert_eq!(preview(&[0xff, b'a']), "\u{fffd}a");
        for letter in ["a", "ä", "🦀"] {
            let long = preview(letter.repeat(100_000).as_bytes());
            assert_eq!(long.chars().count(), PREVIEW + 1, "{letter}");
            assert!(long.ends_with('…'));
        }
    }
}
