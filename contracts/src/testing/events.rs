use backends::Db;
use serde_json::Value;

/// The events that wait in a database's outbox as (type, data), oldest first.
///
/// # Panics
/// When the database has no outbox, or something that is no event lies in it.
pub async fn outbox(db: &Db) -> Vec<(String, Value)> {
    let rows: Vec<(Vec<u8>,)> = db
        .query("SELECT payload FROM outbox ORDER BY seq")
        .all()
        .await
        .expect("the outbox can be read");
    rows.iter().map(|(payload,)| event(payload)).collect()
}

/// The type and the data of an event as it stands on the bus.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn event(payload: &[u8]) -> (String, Value) {
    let mut event: Value = serde_json::from_slice(payload).expect("an event is JSON");
    let data = event["data"].take();
    let name = event["event_type"].as_str();
    (name.expect("an event has a type").to_owned(), data)
}
