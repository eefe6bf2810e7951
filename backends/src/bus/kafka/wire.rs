//! A record as a Kafka message, both ways.
//!
//! Key, value and headers go over as they are, so that whoever expects an envelope as the value and the aggregate as the key
//! reads ours; the event id is the header `ce_id` that the relay writes. Messages without key, headers or id are records too.

use bytes::Bytes;
use chrono::DateTime;
use rdkafka::{
    Message,
    message::{Header, Headers, OwnedHeaders},
    producer::FutureRecord,
};
use uuid::Uuid;

use super::super::{Delivered, Record};

/// The event id, as `CloudEvents` names it.
const EVENT_ID: &str = "ce_id";
/// The id of a record whose `ce_id` is another's: a dead letter keeps the headers of what it was. Never shown to readers.
const OWN_ID: &str = "bus_id";

/// The message of a record, for `topic` as the broker knows it.
pub(super) fn message<'a>(topic: &'a str, record: &'a Record) -> FutureRecord<'a, str, [u8]> {
    let mut headers = OwnedHeaders::new();
    for (name, value) in &record.headers {
        headers = headers.insert(Header {
            key: name,
            value: Some(value),
        });
    }
    let named = record
        .headers
        .get(EVENT_ID)
        .and_then(|text| text.parse::<Uuid>().ok());
    if let Some(id) = record.event_id
        && named != Some(id)
    {
        headers = headers.insert(Header {
            key: OWN_ID,
            value: Some(&id.to_string()),
        });
    }
    let message = FutureRecord::to(topic)
        .payload(record.payload.as_ref())
        .headers(headers);
    match &record.key {
        Some(key) => message.key(key),
        None => message,
    }
}

/// The record of a message; `prefix` is taken off its topic. Bytes that are no text are replaced, as a key or header of ours
/// always is text.
pub(super) fn delivered(prefix: &str, message: &impl Message) -> Delivered {
    let mut record = Record {
        topic: message
            .topic()
            .strip_prefix(prefix)
            .unwrap_or(message.topic())
            .to_owned(),
        key: message.key().map(text),
        payload: Bytes::copy_from_slice(message.payload().unwrap_or_default()),
        headers: message
            .headers()
            .into_iter()
            .flat_map(Headers::iter)
            .filter_map(|header| Some((header.key.to_owned(), text(header.value?))))
            .collect(),
        event_id: None,
    };
    let own = record.headers.remove(OWN_ID);
    record.event_id = [own.as_ref(), record.headers.get(EVENT_ID)]
        .into_iter()
        .find_map(|id| id?.parse().ok());
    Delivered {
        record,
        partition: message.partition(),
        offset: message.offset(),
        at: message
            .timestamp()
            .to_millis()
            .and_then(DateTime::from_timestamp_millis)
            .unwrap_or_default(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use rdkafka::{Timestamp, message::OwnedMessage};

    use super::*;

    /// What a broker makes of a message.
    fn carried(record: &Record) -> OwnedMessage {
        let topic = format!("x-{}", record.topic);
        let sent = message(&topic, record);
        OwnedMessage::new(
            sent.payload.map(<[u8]>::to_vec),
            sent.key.map(|key| key.as_bytes().to_vec()),
            topic.clone(),
            Timestamp::CreateTime(1_772_438_400_000),
            2,
            7,
            sent.headers,
        )
    }

    fn headers() -> impl Strategy<Value = BTreeMap<String, String>> {
        prop::collection::btree_map("ce_[a-c]|h", "\\PC{0,8}", 0..4)
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was_published(
            key in prop::option::of("\\PC{0,8}"), payload in prop::collection::vec(any::<u8>(), 0..20), headers in headers(),
            id in prop::option::of(any::<u128>()), named in prop::option::of(any::<bool>()),
        ) {
            let mut record = Record { topic: "a".to_owned(), key, payload: payload.into(), headers, event_id: id.map(Uuid::from_u128) };
            // the event id as a header too, or that of another event
            if let (Some(same), Some(id)) = (named, id) {
                let name = if same { id } else { id ^ 1 };
                record.headers.insert(EVENT_ID.to_owned(), Uuid::from_u128(name).to_string());
            }
            let back = delivered("x-", &carried(&record));
            prop_assert_eq!((back.partition, back.offset, back.at.timestamp()), (2, 7, 1_772_438_400));
            prop_assert_eq!(back.record, record);
        }
    }

    #[test]
    fn a_bare_message_is_a_record_without_key_headers_and_id() {
        let bare = OwnedMessage::new(
            Some(br#"{"event_type":"x"}"#.to_vec()),
            None,
            "a".to_owned(),
            Timestamp::NotAvailable,
            0,
            0,
            None,
        );
        let record = delivered("", &bare).record;
        assert_eq!((record.key, record.event_id), (None, None));
        assert_eq!(record.headers, BTreeMap::new());
        assert_eq!(record.payload, br#"{"event_type":"x"}"#[..]);
    }

    #[test]
    fn an_event_is_known_by_its_ce_id_and_nothing_is_added_for_it() {
        let id = Uuid::from_u128(5);
        let record = Record {
            topic: "a".to_owned(),
            key: Some("k".to_owned()),
            payload: Bytes::new(),
            headers: BTreeMap::from([(EVENT_ID.to_owned(), id.to_string())]),
            event_id: Some(id),
        };
        let sent = message("a", &record).headers.unwrap();
        assert_eq!(sent.count(), 1);
        let strange = carried(&record).set_key(Some(vec![0xff]));
        assert_eq!(delivered("", &strange).record.key.unwrap(), "\u{fffd}");
    }
}
