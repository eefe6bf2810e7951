//! What this service does about what others tell it. What it tells itself is written by the store, with the change.

use std::sync::Arc;

use async_trait::async_trait;
use backends::bus::Delivered;
use backends::consumer::{Failure, Handler};
use contracts::events::{UserEvent, UserEventKind};

use crate::store::Store;

/// Posts changed in one transaction: other writers wait for as long.
const BATCH: u32 = 100;

/// `auth-events`: the posts of a deactivated account show a former member. Applying an event again changes nothing.
pub struct AuthEvents {
    store: Arc<dyn Store>,
}

impl AuthEvents {
    /// Applies to this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Handler for AuthEvents {
    async fn apply(&self, delivered: &Delivered) -> Result<(), Failure> {
        let event = UserEvent::read(delivered)
            .map_err(|unreadable| Failure::Poison(unreadable.to_string()))?;
        if event.kind != UserEventKind::Deleted {
            return Ok(());
        }
        while self
            .store
            .forget_author(event.state.user_id, BATCH)
            .await
            .map_err(|error| Failure::Retry(error.into()))?
            > 0
        {}
        Ok(())
    }
}
