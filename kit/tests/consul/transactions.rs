//! Transactions against a naive model.

use std::collections::BTreeMap;

use kit::consul::memory::MemoryConsul;
use kit::consul::{KeyValue, Operation};
use proptest::prelude::*;

/// A step without numbers: a condition is about the value that the model holds, or about a wrong one.
#[derive(Clone, Debug)]
pub enum Step {
    Set(&'static str, u8),
    SetIf(&'static str, u8, bool),
    Delete(&'static str),
    DeleteIf(&'static str, bool),
    DeleteTree(&'static str),
}

const KEYS: [&str; 6] = ["a", "a/", "a/b", "a/b/c", "ab", "b"];

pub fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let key = || prop::sample::select(KEYS.as_slice());
    let step = prop_oneof![
        (key(), 0u8..3).prop_map(|(key, value)| Step::Set(key, value)),
        (key(), 0u8..3, any::<bool>())
            .prop_map(|(key, value, holds)| Step::SetIf(key, value, holds)),
        key().prop_map(Step::Delete),
        (key(), any::<bool>()).prop_map(|(key, holds)| Step::DeleteIf(key, holds)),
        key().prop_map(Step::DeleteTree),
    ];
    prop::collection::vec(prop::collection::vec(step, 0..5), 0..8)
}

/// Does the transactions below `root` on both, and says where they first differ. A condition looks at what was there before
/// its transaction, so a transaction changes a key that it has a condition on only once.
pub async fn agree(
    consul: &impl KeyValue,
    root: &str,
    transactions: &[Vec<Step>],
) -> Result<(), String> {
    let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for transaction in transactions {
        let listing = consul.list(root, None).await.map_err(|e| e.to_string())?;
        let indexes: BTreeMap<_, _> = listing
            .pairs
            .into_iter()
            .map(|pair| (pair.key, pair.modify_index))
            .collect();
        let now = |key: &str, holds: bool| {
            let current = indexes.get(key).copied().unwrap_or(0);
            if holds { current } else { current + 1_000_000 }
        };
        let (mut next, mut operations, mut conflict) = (model.clone(), Vec::new(), false);
        let mut touched: Vec<String> = Vec::new();
        for step in transaction {
            let (Step::Set(key, _)
            | Step::SetIf(key, _, _)
            | Step::Delete(key)
            | Step::DeleteIf(key, _)
            | Step::DeleteTree(key)) = step;
            let key = format!("{root}{key}");
            if touched
                .iter()
                .any(|before| key.starts_with(before) || before.starts_with(&key))
            {
                continue;
            }
            touched.push(key.clone());
            operations.push(match step {
                Step::Set(_, value) => {
                    next.insert(key.clone(), vec![*value]);
                    Operation::Set {
                        key,
                        value: vec![*value],
                    }
                }
                Step::SetIf(_, value, holds) => {
                    conflict |= !holds;
                    next.insert(key.clone(), vec![*value]);
                    Operation::SetIf {
                        modify_index: now(&key, *holds),
                        key,
                        value: vec![*value],
                    }
                }
                Step::Delete(_) => {
                    next.remove(&key);
                    Operation::Delete { key }
                }
                Step::DeleteIf(_, holds) => {
                    conflict |= !holds && model.contains_key(&key);
                    next.remove(&key);
                    Operation::DeleteIf {
                        modify_index: now(&key, *holds),
                        key,
                    }
                }
                Step::DeleteTree(_) => {
                    next.retain(|other, _| !other.starts_with(&key));
                    Operation::DeleteTree { prefix: key }
                }
            });
        }
        let applied = consul.apply(&operations).await;
        if applied.is_err() != conflict {
            return Err(format!(
                "{operations:?}: {applied:?}, but expected conflict: {conflict}"
            ));
        }
        if !conflict {
            model = next;
        }
        let listing = consul.list(root, None).await.map_err(|e| e.to_string())?;
        let found: Vec<_> = listing
            .pairs
            .into_iter()
            .map(|pair| (pair.key, pair.value))
            .collect();
        let expected: Vec<_> = model.clone().into_iter().collect();
        if found != expected {
            return Err(format!(
                "after {operations:?}: {found:?}, but expected {expected:?}"
            ));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn transactions_do_what_a_plain_map_does_or_nothing(transactions in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let agreed = runtime.block_on(agree(&MemoryConsul::new(), "root/", &transactions));
        prop_assert_eq!(agreed, Ok(()));
    }
}
