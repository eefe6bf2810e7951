//! What `/health/ready` asks of a store and of the bus, the same in every service.

use std::fmt::Display;
use std::sync::Arc;

use kit::service::{Check, CheckError};

use crate::bus::Bus;

/// Without its store a service cannot work: `store_unavailable`, 503. `setting` says which store it is.
pub fn of_store<F, Fut, E>(setting: &'static str, ask: F) -> Check
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Display,
{
    Check::essential("store", move || {
        let asked = ask();
        async move {
            asked
                .await
                .map_err(|error| CheckError::new("store_unavailable", error))
        }
    })
    .of_setting(setting)
}

/// Without the bus events wait in the outbox and nothing else stops: `bus_unavailable`, 200 `degraded`.
pub fn of_bus(bus: Arc<dyn Bus>) -> Check {
    Check::degrading("bus", move || {
        let bus = Arc::clone(&bus);
        async move {
            bus.check()
                .await
                .map_err(|error| CheckError::new("bus_unavailable", error))
        }
    })
    .of_setting("bus.url")
}
