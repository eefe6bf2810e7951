//! What of an entry is chained, its text and its hash (rule 1).

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The hash before the first entry.
pub const GENESIS: [u8; 32] = [0; 32];

/// What of an entry is chained: everything but the clear values, for which their commitments stand.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Record {
    /// When.
    pub at: DateTime<Utc>,
    /// Who did it.
    pub actor: Option<i64>,
    /// For whom.
    pub on_behalf_of: Option<i64>,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub object: String,
    /// Why.
    pub reason: Option<String>,
    /// The commitment to the state before.
    pub before_c: Option<Vec<u8>>,
    /// The commitment to the state after.
    pub after_c: Option<Vec<u8>>,
    /// The commitment to the client's address.
    pub from_c: Option<Vec<u8>>,
    /// The request it happened in.
    pub request_id: Option<String>,
}

/// Names of the columns of [`Record`], for SELECT.
macro_rules! chained_columns {
    () => {
        "at, actor, on_behalf_of, action, object, reason, before_c, after_c, from_c, request_id"
    };
}
pub(super) use chained_columns;

impl Record {
    /// `SHA-256(0x00 || prev_hash || canonical JSON)`.
    #[must_use]
    pub fn hash(&self, seq: i64, prev: &[u8]) -> [u8; 32] {
        Sha256::new()
            .chain_update([0])
            .chain_update(prev)
            .chain_update(self.canonical(seq).as_bytes())
            .finalize()
            .into()
    }

    /// The entry without its hashes: keys sorted, no spaces, absent fields left out, bytes in hex. The sorted map is ours:
    /// serde_json's own stops sorting when any crate of the tree turns `preserve_order` on.
    fn canonical(&self, seq: i64) -> String {
        let mut fields: BTreeMap<&str, Value> = BTreeMap::new();
        fields.insert("seq", seq.into());
        fields.insert(
            "at",
            self.at.to_rfc3339_opts(SecondsFormat::AutoSi, true).into(),
        );
        fields.insert("action", self.action.as_str().into());
        fields.insert("object", self.object.as_str().into());
        let numbers = [("actor", self.actor), ("on_behalf_of", self.on_behalf_of)];
        fields.extend(
            numbers
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?.into()))),
        );
        let texts = [("reason", &self.reason), ("request_id", &self.request_id)];
        fields.extend(
            texts
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.as_deref()?.into()))),
        );
        let bytes = [
            ("before_c", &self.before_c),
            ("after_c", &self.after_c),
            ("from_c", &self.from_c),
        ];
        fields.extend(
            bytes
                .into_iter()
                .filter_map(|(name, value)| Some((name, hex::encode(value.as_deref()?).into()))),
        );
        serde_json::to_string(&fields).expect("text keys and plain values always serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(action: &str, actor: i64, at: &str) -> Record {
        Record {
            at: at.parse().unwrap(),
            actor: Some(actor),
            on_behalf_of: None,
            action: action.to_owned(),
            object: "exam_result:1".to_owned(),
            reason: None,
            before_c: None,
            after_c: None,
            from_c: None,
            request_id: None,
        }
    }

    #[test]
    fn the_two_entries_of_the_specification_have_its_hashes() {
        let first = entry("mark.changed", 7, "2026-03-02T08:15:00Z");
        assert_eq!(
            first.canonical(1),
            r#"{"action":"mark.changed","actor":7,"at":"2026-03-02T08:15:00Z","object":"exam_result:1","seq":1}"#
        );
        let hash = first.hash(1, &GENESIS);
        assert_eq!(
            hex::encode(hash),
            "bbf92b44dc2a4d1ec5249beb50a4c9bf3c66e8b67ab2e1ad2ae56b3eff23a5b2"
        );
        let second = entry("mark.read", 9, "2026-03-02T08:16:00Z").hash(2, &hash);
        assert_eq!(
            hex::encode(second),
            "3a6d91d93af143c4da43a1fdecf5ea3a3254554b918db8302fa7e9d69d4d8108"
        );
    }

    #[test]
    fn every_column_changes_the_hash() {
        let base = entry("a", 1, "2026-03-02T08:15:00Z");
        let mut hashes = vec![
            base.hash(1, &GENESIS),
            base.hash(2, &GENESIS),
            base.hash(1, &[1; 32]),
        ];
        let changes: [fn(&mut Record); 10] = [
            |e| e.at += chrono::Duration::microseconds(1),
            |e| e.actor = None,
            |e| e.on_behalf_of = Some(1),
            |e| e.action.push('x'),
            |e| e.object.push('x'),
            |e| e.reason = Some(String::new()),
            |e| e.before_c = Some(vec![1]),
            |e| e.after_c = Some(vec![1]),
            |e| e.from_c = Some(vec![1]),
            |e| e.request_id = Some("x".to_owned()),
        ];
        for change in changes {
            let mut changed = base.clone();
            change(&mut changed);
            hashes.push(changed.hash(1, &GENESIS));
        }
        let all = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), all);
    }
}
