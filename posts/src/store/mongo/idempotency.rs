//! One creation per Idempotency-Key: the key is written first, with the identity the post is to have, so that whoever repeats
//! the request after a crash completes the same post.

use backends::idempotency::{KEPT, mismatch};
use contracts::{PostId, UserId};
use mongodb::Collection;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, doc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::MongoStore;
use super::documents::post_id;
use super::error::{kind_of, unless_duplicate, within};
use crate::error::Error;
use crate::store::Once;

pub(super) const CLAIMS: &str = "idempotency";
/// Claims that come between: more than one means that the key runs out again and again in one moment.
const TURNS: usize = 8;

#[derive(Debug, Serialize, Deserialize)]
struct Claimed {
    #[serde(rename = "_id")]
    id: String,
    request_hash: Binary,
    post_id: ObjectId,
    at: i64,
}

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is this request's: nothing of the post is there yet.
    Fresh(PostId),
    /// The request was made before: the post may be there, half there, or not at all.
    Again(PostId),
}

/// Claims the key for the request. A later durable write covers it.
pub(super) async fn claim(store: &MongoStore, user: UserId, once: &Once) -> Result<Claim, Error> {
    let now = store.clock().now();
    let own = Claimed {
        id: format!("{user}:{}", once.key),
        request_hash: Binary {
            subtype: BinarySubtype::Generic,
            bytes: Sha256::digest(&once.request).to_vec(),
        },
        post_id: ObjectId::from_bytes(store.ids().object_id()),
        at: now.timestamp_micros(),
    };
    let claims: Collection<Claimed> = store.relaxed(CLAIMS).clone_with_type();
    for _ in 0..TURNS {
        if unless_duplicate(within(claims.insert_one(&own)).await)? {
            return Ok(Claim::Fresh(post_id(own.post_id)));
        }
        let Some(held) = within(claims.find_one(doc! { "_id": &own.id })).await? else {
            continue;
        };
        if held.at > (now - KEPT).timestamp_micros() {
            if held.request_hash.bytes != own.request_hash.bytes {
                return Err(Error::Problem(mismatch()));
            }
            return Ok(Claim::Again(post_id(held.post_id)));
        }
        // Run out: of several that take it over, one finds it as it was read.
        let as_read = doc! { "_id": &own.id, "post_id": held.post_id, "at": held.at };
        let taken = doc! { "$set": {
            "request_hash": &own.request_hash, "post_id": own.post_id, "at": own.at,
        } };
        let taken = within(claims.update_one(as_read, taken)).await?;
        if taken.matched_count > 0 {
            return Ok(Claim::Fresh(post_id(own.post_id)));
        }
    }
    Err(Error::Contended)
}

/// Forgets keys that have run out.
pub(super) async fn sweep(store: &MongoStore) -> Result<u64, backends::db::Error> {
    let gone = (store.clock().now() - KEPT).timestamp_micros();
    let swept = within(
        store
            .relaxed(CLAIMS)
            .delete_many(doc! { "at": { "$lte": gone } }),
    )
    .await
    .map_err(kind_of)?;
    Ok(swept.deleted_count)
}
