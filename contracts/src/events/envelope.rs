//! The envelope all events share: `{"event_type","timestamp","data"}`, with `CloudEvents` attributes as `ce_*` headers.

use std::collections::BTreeMap;

use backends::bus::{Delivered, TopicPolicy};
use backends::outbox::Message;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The value of every message on the bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// `<thing>.<what happened>`, e.g. `post.created`.
    pub event_type: String,
    /// When it happened.
    pub timestamp: DateTime<Utc>,
    /// What happened.
    pub data: T,
}

/// A message that cannot be read: it goes to the dead letters with this reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// The major version of the schema, as the header `ce_dataschema` carries it.
const SCHEMA: &str = "v1";

/// Reads the envelope of a delivered message.
///
/// # Errors
/// [`Unreadable`] when the value is no such envelope or its schema has an unknown major version.
pub fn envelope_of<T: DeserializeOwned>(delivered: &Delivered) -> Result<Envelope<T>, Unreadable> {
    if let Some(schema) = delivered.record.headers.get("ce_dataschema")
        && schema != SCHEMA
    {
        return Err(Unreadable(format!(
            "unknown schema version {schema}; known: {SCHEMA}"
        )));
    }
    serde_json::from_slice(&delivered.record.payload)
        .map_err(|error| Unreadable(format!("does not parse: {error}")))
}

/// The outbox message for one event. `source` is the publishing service; with the event id it is the dedupe key.
pub(super) fn message<T: Serialize>(
    topic: &TopicPolicy,
    source: &str,
    key: String,
    event_id: Uuid,
    event: &Envelope<T>,
) -> Message {
    let time = event.timestamp.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let headers = BTreeMap::from([
        ("content-type".to_owned(), "application/json".to_owned()),
        ("ce_specversion".to_owned(), "1.0".to_owned()),
        ("ce_id".to_owned(), event_id.to_string()),
        ("ce_source".to_owned(), format!("/{source}")),
        ("ce_type".to_owned(), event.event_type.clone()),
        ("ce_time".to_owned(), time),
        ("ce_dataschema".to_owned(), SCHEMA.to_owned()),
    ]);
    Message {
        topic: topic.name,
        key,
        event_id,
        event_type: event.event_type.clone(),
        payload: serde_json::to_vec(event).expect("event types have string keys and serialise"),
        headers,
        at: event.timestamp,
    }
}
