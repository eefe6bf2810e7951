//! Tokens verified before, by their hash.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::claims::Claims;

/// Two generations of this many make the bound of 100 000 tokens.
const GENERATION: usize = 50_000;

/// A bounded table in two generations: when the young one is full, it becomes the old one, and what was old and not
/// asked for meanwhile is forgotten. No order of use has to be kept.
#[derive(Default)]
pub(super) struct Cache {
    tables: RwLock<Tables>,
}

#[derive(Default)]
struct Tables {
    young: HashMap<[u8; 32], Arc<Claims>>,
    old: HashMap<[u8; 32], Arc<Claims>>,
}

impl Cache {
    pub(super) fn get(&self, hash: &[u8; 32]) -> Option<Arc<Claims>> {
        let tables = self.tables.read();
        if let Some(claims) = tables.young.get(hash) {
            return Some(Arc::clone(claims));
        }
        let claims = Arc::clone(tables.old.get(hash)?);
        drop(tables);
        self.remember(*hash, Arc::clone(&claims));
        Some(claims)
    }

    pub(super) fn remember(&self, hash: [u8; 32], claims: Arc<Claims>) {
        let mut tables = self.tables.write();
        if tables.young.len() >= GENERATION {
            tables.old = std::mem::take(&mut tables.young);
        }
        tables.old.remove(&hash);
        tables.young.insert(hash, claims);
    }

    pub(super) fn forget(&self, hash: &[u8; 32]) {
        let mut tables = self.tables.write();
        tables.young.remove(hash);
        tables.old.remove(hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u32) -> [u8; 32] {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        hash
    }

    #[test]
    fn the_table_stays_bounded_and_keeps_what_is_asked_for() {
        let claims: Arc<Claims> = Arc::new(serde_json::from_str(r#"{"sub":"1","exp":1}"#).unwrap());
        let cache = Cache::default();
        let total = 3 * GENERATION as u32;
        for number in 0..total {
            cache.remember(hash(number), Arc::clone(&claims));
            assert!(
                cache.get(&hash(0)).is_some(),
                "asked for all the time, forgotten at {number}"
            );
        }
        let tables = cache.tables.read();
        assert!(tables.young.len() + tables.old.len() <= 2 * GENERATION);
        assert!(!tables.young.contains_key(&hash(1)) && !tables.old.contains_key(&hash(1)));
    }
}
