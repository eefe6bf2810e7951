//! The events that documents carry, as the relay asks for them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use backends::bus::Record;
use backends::db::Error;
use backends::lease::Claim;
use backends::outbox::{Message, Outbox, Waiting};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Document, deserialize_from_document, doc, serialize_to_document};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

use super::carried::{OUTBOX, Place};
use super::error::unreadable;
use super::statements::Change;
use super::{MongoStore, lease};

const LEASE_NAME: &str = "outbox";

/// An event as it is sent.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    topic: String,
    key: String,
    headers: BTreeMap<String, String>,
    payload: Binary,
}

/// Adds an event to the update of the document it tells of.
pub(super) fn put(change: &mut Change, message: Message) -> Result<(), Error> {
    let (id, at) = (message.event_id, message.at);
    let record = message.into_record();
    let held = Held {
        topic: record.topic,
        key: record.key.unwrap_or_default(),
        headers: record.headers,
        payload: Binary {
            subtype: BinarySubtype::Generic,
            bytes: record.payload.into(),
        },
    };
    let held = serialize_to_document(&held).map_err(|error| Error::Other(error.into()))?;
    OUTBOX.put(change, id, at, held);
    Ok(())
}

fn record(place: &Place, held: Document) -> Result<Record, Error> {
    let held: Held = deserialize_from_document(held).map_err(|error| Error::Other(error.into()))?;
    let event_id = Uuid::parse_str(&place.id).map_err(|_| unreadable("the id of an event"))?;
    Ok(Record {
        topic: held.topic,
        key: Some(held.key),
        payload: held.payload.bytes.into(),
        headers: held.headers,
        event_id: Some(event_id),
    })
}

#[async_trait]
impl Outbox for MongoStore {
    type Place = Place;

    fn store(&self) -> &str {
        self.mongo().database.name()
    }

    fn news(&self) -> watch::Receiver<u64> {
        self.outbox_news()
    }

    async fn is_empty(&self) -> Result<bool, Error> {
        self.ready().await?;
        OUTBOX.is_empty(self).await
    }

    async fn depth(&self) -> Result<i64, Error> {
        OUTBOX.count(self).await
    }

    async fn take(&self, claim: Claim<'_>) -> Result<bool, Error> {
        lease::take(self, LEASE_NAME, claim).await
    }

    async fn release(&self, holder: &str) -> Result<(), Error> {
        lease::release(self, LEASE_NAME, holder).await
    }

    async fn oldest(&self, limit: usize) -> Result<Waiting<Place>, Error> {
        let (waiting, all) = OUTBOX.some(self, limit).await?;
        let events = waiting.into_iter().map(|(place, held)| {
            let record = record(&place, held)?;
            Ok((place, record))
        });
        Ok(Waiting {
            events: events.collect::<Result<_, Error>>()?,
            all,
        })
    }

    /// A read sees what is not in the journal yet. A durable write waits for everything before it.
    async fn synced(&self) -> Result<(), Error> {
        self.sync().await
    }

    async fn discard(&self, places: &[Place]) -> Result<(), Error> {
        OUTBOX.remove(self, places).await
    }
}
