//! The tamper-evident record of who did what (spec/privacy-audit.md section 3, rules 1, 2, 5, 6).
//!
//! [`put`] writes the entry in the transaction of the change, so that a change without its entry cannot exist. A leased
//! worker ([`chainer`]) then numbers and chains the entries in order, within a second and outside of any request. From
//! then on triggers refuse UPDATE and DELETE, and [`verify`] finds whoever went around them.

mod canonical;
mod chainer;
mod verify;

use chrono::{DateTime, Utc};
use kit::ids::Ids;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use self::{
    chainer::chainer,
    verify::{Verdict, verify},
};
use crate::db::{Error, Tx};

/// Bytes of salt before a clear value: 128 bit, so that an erased value cannot be guessed back.
const SALT: usize = 16;

/// What is recorded. `Entry { actor: Some(7), ..Entry::of("thing.changed", object, at, &*ids) }`
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Who did it; None for the system itself.
    pub actor: Option<i64>,
    /// For whom, when somebody acts for another.
    pub on_behalf_of: Option<i64>,
    /// What was done, `<noun>.<verb in the past>`.
    pub action: &'a str,
    /// What it was done to, `<kind>:<id>`.
    pub object: String,
    /// Why, where a reason is asked for. Stays in the chain for ever: no personal data.
    pub reason: Option<String>,
    /// The state before. Kept apart and erasable; the entry holds a salted commitment only.
    pub before: Option<Value>,
    /// The state after; kept like `before`.
    pub after: Option<Value>,
    /// The client's address; kept like `before`, under `actor:<id>`.
    pub from: Option<String>,
    /// The request it happened in.
    pub request_id: Option<String>,
    /// When; of the clock, whole microseconds.
    pub at: DateTime<Utc>,
    /// Where the salts come from.
    pub ids: &'a dyn Ids,
}

impl<'a> Entry<'a> {
    /// An entry with nothing but what every entry has.
    pub fn of(
        action: &'a str,
        object: impl Into<String>,
        at: DateTime<Utc>,
        ids: &'a dyn Ids,
    ) -> Entry<'a> {
        Entry {
            actor: None,
            on_behalf_of: None,
            action,
            object: object.into(),
            reason: None,
            before: None,
            after: None,
            from: None,
            request_id: None,
            at,
            ids,
        }
    }
}

/// Writes the entry into the transaction of the change. A failure must fail the change (rule 5): pass it on with `?`.
pub async fn put(tx: &mut Tx, entry: Entry<'_>) -> Result<(), Error> {
    let before = commit_to(
        tx,
        &entry.object,
        entry.before.as_ref().map(Value::to_string),
        entry.ids,
    )
    .await?;
    let after = commit_to(
        tx,
        &entry.object,
        entry.after.as_ref().map(Value::to_string),
        entry.ids,
    )
    .await?;
    let owner = entry
        .actor
        .map_or_else(|| entry.object.clone(), |actor| format!("actor:{actor}"));
    let from = commit_to(tx, &owner, entry.from, entry.ids).await?;
    tx.query(
        "INSERT INTO audit (at, actor, on_behalf_of, action, object, reason, before_c, after_c, from_c, request_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(entry.at)
    .bind(entry.actor)
    .bind(entry.on_behalf_of)
    .bind(entry.action.to_owned())
    .bind(entry.object)
    .bind(entry.reason)
    .bind(before)
    .bind(after)
    .bind(from)
    .bind(entry.request_id)
    .execute()
    .await?;
    tx.carries_audit();
    Ok(())
}

/// Erases the clear values kept for `object` (rule 6): the commitments stay, the chain still verifies. Answers how many.
pub async fn erase(tx: &mut Tx, object: &str) -> Result<u64, Error> {
    tx.query("DELETE FROM audit_secret WHERE object = $1")
        .bind(object.to_owned())
        .execute()
        .await
}

/// SHA-256(salt || value), with salt and value kept where they can be erased.
async fn commit_to(
    tx: &mut Tx,
    object: &str,
    value: Option<String>,
    ids: &dyn Ids,
) -> Result<Option<Vec<u8>>, Error> {
    let Some(value) = value else { return Ok(None) };
    let salt = ids.secret()[..SALT].to_vec();
    let commitment = commitment(&salt, &value);
    tx.query("INSERT INTO audit_secret (commitment, object, salt, value) VALUES ($1, $2, $3, $4)")
        .bind(commitment.clone())
        .bind(object.to_owned())
        .bind(salt)
        .bind(value)
        .execute()
        .await?;
    Ok(Some(commitment))
}

fn commitment(salt: &[u8], value: &str) -> Vec<u8> {
    Sha256::new()
        .chain_update(salt)
        .chain_update(value.as_bytes())
        .finalize()
        .to_vec()
}
