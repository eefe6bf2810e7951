//! Events, written in the transaction of the change they tell of, delivered afterwards by a relay.

mod origin;
mod relay;
mod sql;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::types::Json;
use uuid::Uuid;

pub(crate) use self::origin::Origin;
pub use self::{
    relay::relay,
    store::{Outbox, Waiting},
};
use crate::{
    bus::Record,
    db::{Db, Error, Tx},
};

/// An event on its way to the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The topic, as listed by the owner of the events.
    pub topic: &'static str,
    /// Order is kept per key: `<kind>:<id>`.
    pub key: String,
    /// Identifies the event; the bus takes it once.
    pub event_id: Uuid,
    /// What happened, as in the payload; goes out as header `ce_type`.
    pub event_type: String,
    /// The JSON value.
    pub payload: Vec<u8>,
    /// Further headers (`ce_source`, ...). What is sent has `ce_id`, `ce_type`, `ce_time` and `content-type` as well, and of the
    /// request that it comes of `ce_requestid` and, where traces are made, `ce_traceparent`.
    pub headers: BTreeMap<String, String>,
    /// When it happened.
    pub at: DateTime<Utc>,
}

/// Writes the event into the transaction; its commit wakes the relay. Call it **after** the row of the aggregate was
/// written: that row's lock is what makes the numbers of two events of one key rise in the order of their commits.
pub async fn put(tx: &mut Tx, message: &Message) -> Result<(), Error> {
    tx.event(
        "INSERT INTO outbox (topic, key, event_id, event_type, payload, headers, at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        "seq",
    )
    .bind(message.topic)
    .bind(message.key.clone())
    .bind(message.event_id)
    .bind(message.event_type.clone())
    .bind(message.payload.clone())
    .bind(Json(origin::with(message.headers.clone())))
    .bind(message.at)
    .put_off()
    .await?;
    tx.carries_outbox(|| message.clone().into_record());
    Ok(())
}

/// How many events wait for delivery.
pub async fn depth(db: &Db) -> Result<i64, Error> {
    db.query("SELECT COUNT(*) FROM outbox").scalar().await
}

impl Message {
    /// What the bus is given: for stores that keep the event as it is sent. Called in the request that it comes of.
    pub fn into_record(self) -> Record {
        Record {
            topic: self.topic.to_owned(),
            key: Some(self.key),
            payload: self.payload.into(),
            headers: origin::with(headers(
                self.headers,
                self.event_id,
                self.event_type,
                self.at,
            )),
            event_id: Some(self.event_id),
        }
    }
}

/// The headers of an event: those given, and the ones every event has.
fn headers(
    given: BTreeMap<String, String>,
    event_id: Uuid,
    event_type: String,
    at: DateTime<Utc>,
) -> BTreeMap<String, String> {
    let mut headers = given;
    for (name, value) in [
        ("ce_id", event_id.to_string()),
        ("ce_type", event_type),
        ("ce_time", at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        ("content-type", "application/json".to_owned()),
    ] {
        headers.entry(name.to_owned()).or_insert(value);
    }
    headers
}
