//! What this service does about what others tell it. What it tells itself is written by the store, with the change.

use async_trait::async_trait;
use backends::bus::Delivered;
use backends::consumer::{Failure, Handler};
use contracts::events::{UserEvent, UserEventKind};

use crate::model::Account;
use crate::store::Store;

/// `auth-events`: every account has a row, called as the account is, until its owner says more. Each kind carries the whole
/// account, so that it does not matter which of them is seen first; applying an event again changes nothing.
pub struct AuthEvents {
    store: Store,
}

impl AuthEvents {
    /// Applies to this store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Handler for AuthEvents {
    async fn apply(&self, delivered: &Delivered) -> Result<(), Failure> {
        let UserEvent { kind, state } = UserEvent::read(delivered)
            .map_err(|unreadable| Failure::Poison(unreadable.to_string()))?;
        let account = Account {
            gone: kind == UserEventKind::Deleted || !state.user_data.is_active,
            name: state.user_data.full_name,
            version: state.version,
        };
        self.store
            .account(state.user_id, account)
            .await
            .map_err(|error| Failure::Retry(error.into()))
    }
}
