//! The audit: an entry is written inside the document, in the write of the change, and moved from there to the end of a chain.
//!
//! The chain is the collection `audit`, one document for each number, `audit_secret` beside it for the clear values. The number
//! is the identity, so that of two chainers one is refused; the entry has an id of its own that is unique as well, so that one
//! that was chained by somebody who died before taking it out of its document is not chained twice.

use std::collections::BTreeSet;

use async_trait::async_trait;
use backends::audit::{Chain, Entry, GENESIS, Record, Sealed, Secret, Step, Verdict};
use backends::db::Error;
use backends::lease::Claim;
use futures_util::TryStreamExt;
use kit::ids::Ids;
use mongodb::Collection;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, deserialize_from_document, doc, serialize_to_document};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::carried::{AUDIT, Place};
use super::documents::time;
use super::error::{kind_of, unless_duplicate, within};
use super::statements::Change;
use super::{MongoStore, lease};

pub(super) const CHAIN: &str = "audit";
const SECRETS: &str = "audit_secret";
const LEASE_NAME: &str = "audit";
const BATCH: usize = 200;

/// An entry as a document carries it.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    record: RecordFields,
    secrets: Vec<SecretFields>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RecordFields {
    at: i64,
    actor: Option<i64>,
    on_behalf_of: Option<i64>,
    action: String,
    object: String,
    reason: Option<String>,
    before_c: Option<Binary>,
    after_c: Option<Binary>,
    from_c: Option<Binary>,
    request_id: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SecretFields {
    #[serde(rename = "_id")]
    commitment: Binary,
    object: String,
    salt: Binary,
    value: String,
}

/// A link of the chain.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Link {
    #[serde(rename = "_id")]
    seq: i64,
    entry: String,
    record: RecordFields,
    prev_hash: Binary,
    hash: Binary,
}

fn binary(bytes: Vec<u8>) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes,
    }
}

impl From<Record> for RecordFields {
    fn from(record: Record) -> Self {
        Self {
            at: record.at.timestamp_micros(),
            actor: record.actor,
            on_behalf_of: record.on_behalf_of,
            action: record.action,
            object: record.object,
            reason: record.reason,
            before_c: record.before_c.map(binary),
            after_c: record.after_c.map(binary),
            from_c: record.from_c.map(binary),
            request_id: record.request_id,
        }
    }
}

impl TryFrom<RecordFields> for Record {
    type Error = Error;

    fn try_from(fields: RecordFields) -> Result<Self, Error> {
        Ok(Self {
            at: time(fields.at)?,
            actor: fields.actor,
            on_behalf_of: fields.on_behalf_of,
            action: fields.action,
            object: fields.object,
            reason: fields.reason,
            before_c: fields.before_c.map(|binary| binary.bytes),
            after_c: fields.after_c.map(|binary| binary.bytes),
            from_c: fields.from_c.map(|binary| binary.bytes),
            request_id: fields.request_id,
        })
    }
}

impl From<Secret> for SecretFields {
    fn from(secret: Secret) -> Self {
        Self {
            commitment: binary(secret.commitment),
            object: secret.object,
            salt: binary(secret.salt),
            value: secret.value,
        }
    }
}

impl From<SecretFields> for Secret {
    fn from(fields: SecretFields) -> Self {
        Self {
            commitment: fields.commitment.bytes,
            object: fields.object,
            salt: fields.salt.bytes,
            value: fields.value,
        }
    }
}

/// Adds an entry to the update of the document it is about.
pub(super) fn put(change: &mut Change, entry: Entry<'_>, ids: &dyn Ids) -> Result<(), Error> {
    let Sealed { record, secrets } = entry.seal();
    let at = record.at;
    let held = Held {
        record: record.into(),
        secrets: secrets.into_iter().map(SecretFields::from).collect(),
    };
    let held = serialize_to_document(&held).map_err(|error| Error::Other(error.into()))?;
    AUDIT.put(change, ids.uuid(), at, held);
    Ok(())
}

#[async_trait]
impl Chain for MongoStore {
    fn news(&self) -> watch::Receiver<u64> {
        self.audit_news()
    }

    async fn chain(&self, claim: Claim<'_>) -> Result<Step, Error> {
        self.ready().await?;
        if AUDIT.is_empty(self).await? {
            return Ok(Step::Idle);
        }
        if !lease::take(self, LEASE_NAME, claim).await? {
            return Ok(Step::Elsewhere);
        }
        let (mut waiting, _) = AUDIT.some(self, BATCH).await?;
        // Stable: those of one document stay in their order.
        waiting.sort_by_key(|(place, _)| place.at);
        let (places, held): (Vec<Place>, Vec<_>) = waiting.into_iter().unzip();
        let known = chained(self, &places).await?;
        let (mut records, mut secrets) = (Vec::new(), Vec::new());
        for (place, held) in places.iter().zip(held) {
            if known.contains(&place.id) {
                continue;
            }
            let held: Held =
                deserialize_from_document(held).map_err(|error| Error::Other(error.into()))?;
            secrets.extend(held.secrets);
            records.push((place.id.clone(), Record::try_from(held.record)?));
        }
        // First the values, then what commits to them, then they leave the document: cut off anywhere, nothing is lost.
        keep(self, secrets).await?;
        if !append(self, records).await? {
            return Ok(Step::Chained);
        }
        AUDIT.remove(self, &places).await?;
        Ok(Step::Chained)
    }

    async fn release(&self, holder: &str) -> Result<(), Error> {
        lease::release(self, LEASE_NAME, holder).await
    }
}

/// Which of these entries are in the chain already.
async fn chained(store: &MongoStore, places: &[Place]) -> Result<BTreeSet<String>, Error> {
    let ids: Vec<&str> = places.iter().map(|place| place.id.as_str()).collect();
    let links = within(async {
        links(store)
            .find(doc! { "entry": { "$in": ids } })
            .await?
            .try_collect::<Vec<Link>>()
            .await
    })
    .await
    .map_err(kind_of)?;
    Ok(links.into_iter().map(|link| link.entry).collect())
}

async fn keep(store: &MongoStore, secrets: Vec<SecretFields>) -> Result<(), Error> {
    if secrets.is_empty() {
        return Ok(());
    }
    let collection = store.relaxed(SECRETS).clone_with_type::<SecretFields>();
    unless_duplicate(within(collection.insert_many(secrets).ordered(false)).await)
        .map(|_| ())
        .map_err(kind_of)
}

/// Appends to the chain. False: another chainer was there first, and what it did has to be read before going on.
async fn append(store: &MongoStore, records: Vec<(String, Record)>) -> Result<bool, Error> {
    if records.is_empty() {
        return Ok(true);
    }
    let last = within(links(store).find_one(doc! {}).sort(doc! { "_id": -1 }))
        .await
        .map_err(kind_of)?;
    let (mut seq, mut prev) =
        last.map_or((0, GENESIS.to_vec()), |link| (link.seq, link.hash.bytes));
    let mut appended = Vec::with_capacity(records.len());
    for (entry, record) in records {
        seq += 1;
        let hash = record.hash(seq, &prev).to_vec();
        appended.push(Link {
            seq,
            entry,
            record: record.into(),
            prev_hash: binary(std::mem::replace(&mut prev, hash.clone())),
            hash: binary(hash),
        });
    }
    unless_duplicate(within(links(store).insert_many(appended)).await).map_err(kind_of)
}

fn links(store: &MongoStore) -> Collection<Link> {
    store.mongo().database.collection(CHAIN)
}

/// Reads the chain again from its beginning, and the clear values that were not erased (spec/privacy-audit.md rule 2).
pub(super) async fn verify(store: &MongoStore) -> Result<Verdict, Error> {
    let (checked, broken) = verify_chain(store).await.map_err(kind_of)??;
    let altered = verify_secrets(store).await.map_err(kind_of)?;
    let first_bad = match (broken, altered) {
        (Some(broken), Some(altered)) => Some(broken.min(altered)),
        (broken, altered) => broken.or(altered),
    };
    Ok(Verdict {
        ok: first_bad.is_none(),
        checked,
        first_bad,
    })
}

type Checked = Result<(i64, Option<i64>), Error>;

async fn verify_chain(store: &MongoStore) -> mongodb::error::Result<Checked> {
    let mut cursor = links(store).find(doc! {}).sort(doc! { "_id": 1 }).await?;
    let (mut seq, mut prev) = (0, GENESIS.to_vec());
    while let Some(link) = cursor.try_next().await? {
        seq += 1;
        let record = match Record::try_from(link.record) {
            Ok(record) => record,
            Err(error) => return Ok(Err(error)),
        };
        let hash = record.hash(seq, &prev);
        if link.seq != seq || link.prev_hash.bytes != prev || link.hash.bytes != hash {
            return Ok(Ok((seq, Some(seq.min(link.seq)))));
        }
        prev = hash.to_vec();
    }
    Ok(Ok((seq, None)))
}

/// The first number whose clear value was changed; 0 for a value that belongs to none.
async fn verify_secrets(store: &MongoStore) -> mongodb::error::Result<Option<i64>> {
    let mut cursor = store
        .mongo()
        .database
        .collection::<SecretFields>(SECRETS)
        .find(doc! {})
        .await?;
    let mut first: Option<i64> = None;
    while let Some(fields) = cursor.try_next().await? {
        let secret = Secret::from(fields);
        if secret.holds() {
            continue;
        }
        let committed = binary(secret.commitment);
        let of = doc! { "$or": [
            { "record.before_c": &committed }, { "record.after_c": &committed }, { "record.from_c": &committed },
        ] };
        let link = links(store).find_one(of).sort(doc! { "_id": 1 }).await?;
        let seq = link.map_or(0, |link| link.seq);
        first = Some(first.map_or(seq, |first| first.min(seq)));
    }
    Ok(first)
}
