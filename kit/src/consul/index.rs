//! How far a caller has seen the changes of what it watches.

use std::fmt;

/// Consul's number of the last change (`X-Consul-Index`). It means nothing but "after this".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(u64);

impl Index {
    /// An index as it was answered; 0 counts as 1, because asking after 0 is not waiting at all.
    #[must_use]
    pub fn new(answered: u64) -> Self {
        Self(answered.max(1))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
