//! What a record looks like among the dead letters.

use chrono::SecondsFormat;
use uuid::Uuid;

use crate::bus::{Delivered, Record, dead_letters};

/// The record for `<topic>.dlq`: the original, with why and where from in its headers. The id is made from the place, so
/// that a crash between this and the commit does not make two letters of one record.
pub(super) fn of(delivered: &Delivered, reason: &str) -> Record {
    let Delivered {
        record,
        partition,
        offset,
        at,
    } = delivered;
    let mut headers = record.headers.clone();
    for (name, value) in [
        ("dlq_reason", reason.to_owned()),
        ("dlq_topic", record.topic.clone()),
        ("dlq_partition", partition.to_string()),
        ("dlq_offset", offset.to_string()),
        (
            "dlq_first_seen",
            at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        ),
    ] {
        headers.insert(name.to_owned(), value);
    }
    let place = format!("{}/{partition}/{offset}", record.topic);
    Record {
        topic: dead_letters(&record.topic),
        key: record.key.clone(),
        payload: record.payload.clone(),
        headers,
        event_id: Some(Uuid::new_v5(&Uuid::NAMESPACE_URL, place.as_bytes())),
    }
}
