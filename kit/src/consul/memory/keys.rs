//! The keys.

use std::collections::BTreeMap;

use crate::consul::{ConsulError, MOST_OPERATIONS, Operation, Pair};

/// Keys with their values. A removed key leaves the number of its removal behind, so that who waits below its prefix wakes.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys(BTreeMap<String, Entry>);

#[derive(Debug, Clone)]
struct Entry {
    value: Option<Vec<u8>>,
    changed: u64,
}

impl Keys {
    /// The last change below the prefix, and what is there.
    pub(super) fn list(&self, prefix: &str) -> (u64, Vec<Pair>) {
        let below = || self.below(prefix);
        let index = below().map(|(_, entry)| entry.changed).max().unwrap_or(1);
        let pairs = below().filter_map(|(key, entry)| {
            Some(Pair {
                key: key.clone(),
                value: entry.value.clone()?,
                modify_index: entry.changed,
            })
        });
        (index, pairs.collect())
    }

    /// Does all or nothing, as change number `index`. Whether anything was changed.
    pub(super) fn apply(
        &mut self,
        operations: &[Operation],
        index: u64,
    ) -> Result<bool, ConsulError> {
        if operations.len() > MOST_OPERATIONS {
            return Err(ConsulError::TooMany(operations.len()));
        }
        let mut next = self.clone();
        let mut changed = false;
        for (number, operation) in operations.iter().enumerate() {
            changed |= next
                .step(operation, index)
                .map_err(|what| ConsulError::Conflict(format!("operation {number}: {what}")))?;
        }
        *self = next;
        Ok(changed)
    }

    fn step(&mut self, operation: &Operation, index: u64) -> Result<bool, String> {
        match operation {
            Operation::Set { key, value } => Ok(self.set(key, value, index)),
            Operation::SetIf {
                key,
                value,
                modify_index,
            } => {
                self.expect(key, *modify_index)?;
                Ok(self.set(key, value, index))
            }
            Operation::Delete { key } => Ok(self.remove(key, index)),
            Operation::DeleteIf { key, modify_index } => {
                // what is not there anymore needs no condition, as in Consul
                if self.there(key).is_some() {
                    self.expect(key, *modify_index)?;
                }
                Ok(self.remove(key, index))
            }
            Operation::DeleteTree { prefix } => {
                let keys: Vec<String> = self.below(prefix).map(|(key, _)| key.clone()).collect();
                Ok(keys
                    .iter()
                    .fold(false, |changed, key| self.remove(key, index) | changed))
            }
        }
    }

    fn below(&self, prefix: &str) -> impl Iterator<Item = (&String, &Entry)> {
        self.0
            .range(prefix.to_owned()..)
            .take_while(move |(key, _)| key.starts_with(prefix))
    }

    fn there(&self, key: &str) -> Option<&Entry> {
        self.0.get(key).filter(|entry| entry.value.is_some())
    }

    /// Consul, too, makes no change of a value that is there already.
    fn set(&mut self, key: &str, value: &[u8], index: u64) -> bool {
        let there = self.there(key).and_then(|entry| entry.value.as_deref());
        if there == Some(value) {
            return false;
        }
        let entry = Entry {
            value: Some(value.to_vec()),
            changed: index,
        };
        self.0.insert(key.to_owned(), entry);
        true
    }

    fn remove(&mut self, key: &str, index: u64) -> bool {
        let Some(entry) = self.0.get_mut(key).filter(|entry| entry.value.is_some()) else {
            return false;
        };
        *entry = Entry {
            value: None,
            changed: index,
        };
        true
    }

    fn expect(&self, key: &str, modify_index: u64) -> Result<(), String> {
        if self.there(key).map_or(0, |entry| entry.changed) == modify_index {
            Ok(())
        } else {
            Err(format!("`{key}` was changed by somebody else"))
        }
    }
}
