//! The tamper-evident record of who did what (spec/privacy-audit.md section 3, rules 1, 2, 5, 6).
//!
//! [`put`] writes the entry in the transaction of the change, so that a change without its entry cannot exist. A leased
//! worker ([`chainer`]) then numbers and chains the entries in order, within a second and outside of any request. From
//! then on triggers refuse UPDATE and DELETE, and [`verify`], which [`watcher`] asks every day, finds whoever went around them.

mod canonical;
mod chainer;
mod sql;
mod verify;
mod watch;

use chrono::{DateTime, Utc};
use kit::ids::Ids;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use self::{
    canonical::{GENESIS, Record},
    chainer::{Chain, Step, chainer},
    verify::{Verdict, verify},
    watch::watcher,
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

/// An entry as it is kept: what is chained, and apart from it the clear values, which can be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// What is chained.
    pub record: Record,
    /// The clear values behind its commitments.
    pub secrets: Vec<Secret>,
}

/// A clear value behind a commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// SHA-256(salt || value).
    pub commitment: Vec<u8>,
    /// What it is about: the object, or `actor:<id>` for an address. Erased with it.
    pub object: String,
    /// Without it an erased value could be guessed back.
    pub salt: Vec<u8>,
    /// The value.
    pub value: String,
}

impl Secret {
    fn of(object: &str, value: String, ids: &dyn Ids) -> Secret {
        let salt = ids.secret()[..SALT].to_vec();
        Secret {
            commitment: commitment(&salt, &value),
            object: object.to_owned(),
            salt,
            value,
        }
    }

    /// Whether the value is the one that was committed to.
    #[must_use]
    pub fn holds(&self) -> bool {
        commitment(&self.salt, &self.value) == self.commitment
    }
}

impl Entry<'_> {
    /// The entry as it is kept: for stores that are not relational, which have to write it with the change.
    #[must_use]
    pub fn seal(self) -> Sealed {
        let mut secrets = Vec::new();
        let mut commit_to = |object: &str, value: Option<String>| {
            let secret = Secret::of(object, value?, self.ids);
            let commitment = secret.commitment.clone();
            secrets.push(secret);
            Some(commitment)
        };
        let owner = match self.actor {
            Some(actor) => format!("actor:{actor}"),
            None => self.object.clone(),
        };
        let before_c = commit_to(&self.object, self.before.as_ref().map(Value::to_string));
        let after_c = commit_to(&self.object, self.after.as_ref().map(Value::to_string));
        let from_c = commit_to(&owner, self.from);
        let record = Record {
            at: self.at,
            actor: self.actor,
            on_behalf_of: self.on_behalf_of,
            action: self.action.to_owned(),
            object: self.object,
            reason: self.reason,
            before_c,
            after_c,
            from_c,
            request_id: self.request_id,
        };
        Sealed { record, secrets }
    }
}

/// Writes the entry into the transaction of the change. A failure must fail the change (rule 5): pass it on with `?`.
pub async fn put(tx: &mut Tx, entry: Entry<'_>) -> Result<(), Error> {
    let Sealed { record, secrets } = entry.seal();
    for secret in secrets {
        tx.query(
            "INSERT INTO audit_secret (commitment, object, salt, value) VALUES ($1, $2, $3, $4)",
        )
        .bind(secret.commitment)
        .bind(secret.object)
        .bind(secret.salt)
        .bind(secret.value)
        .execute()
        .await?;
    }
    tx.query(
        "INSERT INTO audit (at, actor, on_behalf_of, action, object, reason, before_c, after_c, from_c, request_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(record.at)
    .bind(record.actor)
    .bind(record.on_behalf_of)
    .bind(record.action)
    .bind(record.object)
    .bind(record.reason)
    .bind(record.before_c)
    .bind(record.after_c)
    .bind(record.from_c)
    .bind(record.request_id)
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

fn commitment(salt: &[u8], value: &str) -> Vec<u8> {
    Sha256::new()
        .chain_update(salt)
        .chain_update(value.as_bytes())
        .finalize()
        .to_vec()
}
