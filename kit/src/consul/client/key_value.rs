//! `/v1/kv` and `/v1/txn`.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::{Consul, waiting};
use crate::consul::{ConsulError, Index, KeyValue, Listing, MOST_OPERATIONS, Operation, Pair};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    key: String,
    /// Base64; an empty value is none.
    value: Option<String>,
    modify_index: u64,
}

#[derive(Serialize)]
struct Step<'a> {
    #[serde(rename = "KV")]
    kv: Verb<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Verb<'a> {
    verb: &'static str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RolledBack {
    errors: Vec<WhyNot>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WhyNot {
    op_index: usize,
    what: String,
}

#[async_trait]
impl KeyValue for Consul {
    async fn list(&self, prefix: &str, after: Option<Index>) -> Result<Listing, ConsulError> {
        let request = self
            .request(Method::GET, path(prefix))
            .query(&[("recurse", "true")]);
        let answer = self.send(waiting(request, after)).await?;
        let entries: Vec<Entry> = if answer.is(StatusCode::NOT_FOUND) {
            Vec::new()
        } else {
            answer.good()?.json()?
        };
        Ok(Listing {
            index: answer.index()?,
            pairs: entries
                .into_iter()
                .map(|entry| pair(entry).map_err(|what| answer.other(what)))
                .collect::<Result<_, _>>()?,
        })
    }

    async fn apply(&self, operations: &[Operation]) -> Result<(), ConsulError> {
        if operations.len() > MOST_OPERATIONS {
            return Err(ConsulError::TooMany(operations.len()));
        }
        let steps: Vec<_> = operations.iter().map(step).collect();
        let request = self.request(Method::PUT, ["txn"]).json(&steps);
        let answer = self.send(request).await?;
        if !answer.is(StatusCode::CONFLICT) {
            return answer.good().map(drop);
        }
        Err(why_not(answer.json::<RolledBack>()?.errors))
    }
}

/// Below it are the key's parts, each a part of the path.
pub(super) fn path(key: &str) -> impl Iterator<Item = &str> {
    std::iter::once("kv").chain(key.split('/'))
}

/// A transaction says by the same status that a condition did not hold and that a right is missing.
fn why_not(errors: Vec<WhyNot>) -> ConsulError {
    let refused = errors
        .iter()
        .find(|error| error.what.contains("Permission denied"));
    if let Some(refused) = refused {
        return ConsulError::Refused(refused.what.clone());
    }
    let all = errors
        .into_iter()
        .map(|error| format!("operation {}: {}", error.op_index, error.what));
    ConsulError::Conflict(all.collect::<Vec<_>>().join("; "))
}

fn pair(entry: Entry) -> Result<Pair, String> {
    let value = STANDARD
        .decode(entry.value.unwrap_or_default())
        .map_err(|error| format!("a value of `{}` that is not base64: {error}", entry.key))?;
    Ok(Pair {
        key: entry.key,
        value,
        modify_index: entry.modify_index,
    })
}

fn step(operation: &Operation) -> Step<'_> {
    let (verb, key, value, index) = match operation {
        Operation::Set { key, value } => ("set", key, Some(value), None),
        Operation::SetIf {
            key,
            value,
            modify_index,
        } => ("cas", key, Some(value), Some(*modify_index)),
        Operation::Delete { key } => ("delete", key, None, None),
        Operation::DeleteIf { key, modify_index } => ("delete-cas", key, None, Some(*modify_index)),
        Operation::DeleteTree { prefix } => ("delete-tree", prefix, None, None),
    };
    let value = value.map(|bytes| STANDARD.encode(bytes));
    Step {
        kv: Verb {
            verb,
            key,
            value,
            index,
        },
    }
}
