//! The store of keys.

use std::fmt::Debug;

use async_trait::async_trait;

use super::{ConsulError, Index};

/// How many operations one transaction takes.
pub const MOST_OPERATIONS: usize = 64;

/// Consul's store of keys.
#[async_trait]
pub trait KeyValue: Send + Sync + Debug {
    /// Everything whose key begins with `prefix`, by key, with the index for the next question; nothing there is an empty
    /// listing. With `after` it waits some seconds for a change behind it; an answer is no proof that there was one.
    /// [`Following`](super::Following) says what to ask after.
    ///
    /// # Errors
    /// [`ConsulError`]. A token without the right to read may also find an empty listing.
    async fn list(&self, prefix: &str, after: Option<Index>) -> Result<Listing, ConsulError>;

    /// Does all operations or none, in their order.
    ///
    /// # Errors
    /// [`ConsulError::Conflict`] when a condition does not hold, [`ConsulError::TooMany`] for more than
    /// [`MOST_OPERATIONS`]; else as [`list`](Self::list). Nothing was written then, unless Consul was lost under way
    /// ([`ConsulError::Unreachable`]), which leaves it open.
    async fn apply(&self, operations: &[Operation]) -> Result<(), ConsulError>;
}

/// What is below a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// What to ask after next.
    pub index: Index,
    /// Sorted by key.
    pub pairs: Vec<Pair>,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The whole key.
    pub key: String,
    /// Any bytes.
    pub value: Vec<u8>,
    /// The change that gave it this value.
    pub modify_index: u64,
}

/// One step of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Writes, whatever was there.
    Set {
        /// The whole key.
        key: String,
        /// Any bytes.
        value: Vec<u8>,
    },
    /// Writes if the key was last changed by this change; 0: if there is no such key.
    SetIf {
        /// The whole key.
        key: String,
        /// Any bytes.
        value: Vec<u8>,
        /// As listed.
        modify_index: u64,
    },
    /// Removes; a key that is not there is no error.
    Delete {
        /// The whole key.
        key: String,
    },
    /// Removes if the key was last changed by this change.
    DeleteIf {
        /// The whole key.
        key: String,
        /// As listed.
        modify_index: u64,
    },
    /// Removes every key that begins with the prefix.
    DeleteTree {
        /// The prefix.
        prefix: String,
    },
}
