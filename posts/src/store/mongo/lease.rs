//! A lease is a document: of several instances that could do a job, one does it.

use backends::db::Error;
use backends::lease::Claim;
use chrono::TimeDelta;
use mongodb::bson::doc;

use super::MongoStore;
use super::error::{kind_of, unless_duplicate, within};

const LEASES: &str = "leases";

/// Takes or renews the lease `name`; false if another holds it. Not durable by itself: a lease that a power cut forgets is
/// merely taken again.
pub(super) async fn take(store: &MongoStore, name: &str, claim: Claim<'_>) -> Result<bool, Error> {
    let now = claim.now.timestamp_micros();
    let until = TimeDelta::from_std(claim.duration)
        .ok()
        .and_then(|duration| duration.num_microseconds())
        .and_then(|duration| now.checked_add(duration))
        .ok_or_else(|| Error::Other(anyhow::anyhow!("the duration of a lease is out of range")))?;
    let free = doc! {
        "_id": name,
        "$or": [{ "holder": claim.holder }, { "held_until": { "$lte": now } }],
    };
    let taken = doc! { "holder": claim.holder, "held_until": until };
    let leases = store.relaxed(LEASES);
    let renewed = within(leases.update_one(free, doc! { "$set": taken.clone() })).await;
    if renewed.map_err(kind_of)?.matched_count > 0 {
        return Ok(true);
    }
    // Held by another, or never taken: of two that insert it, one is told that it is there.
    let mut first = doc! { "_id": name };
    first.extend(taken);
    unless_duplicate(within(leases.insert_one(first)).await).map_err(kind_of)
}

/// Gives the lease up. No effect if another holds it.
pub(super) async fn release(store: &MongoStore, name: &str, holder: &str) -> Result<(), Error> {
    let own = doc! { "_id": name, "holder": holder };
    within(store.relaxed(LEASES).delete_one(own))
        .await
        .map_err(kind_of)?;
    Ok(())
}
