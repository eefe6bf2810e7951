//! The instances.

use std::collections::BTreeMap;

use crate::consul::{Instance, Registration};

/// Instances by id, and the last change of each service.
#[derive(Debug, Default)]
pub(super) struct Services {
    instances: BTreeMap<String, Registration>,
    changed: BTreeMap<String, u64>,
}

impl Services {
    pub(super) fn register(&mut self, registration: Registration, index: u64) {
        // under the same id another service may have been
        self.deregister(&registration.id, index);
        self.changed.insert(registration.service.clone(), index);
        self.instances.insert(registration.id.clone(), registration);
    }

    pub(super) fn deregister(&mut self, id: &str, index: u64) {
        if let Some(gone) = self.instances.remove(id) {
            self.changed.insert(gone.service, index);
        }
    }

    pub(super) fn set_passing(&mut self, id: &str, passing: bool, index: u64) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.check.passing = passing;
            self.changed.insert(instance.service.clone(), index);
        }
    }

    pub(super) fn holds(&self, id: &str) -> bool {
        self.instances.contains_key(id)
    }

    pub(super) fn all(&self) -> Vec<Registration> {
        self.instances.values().cloned().collect()
    }

    /// The service's last change, and its instances that pass.
    pub(super) fn passing(&self, service: &str) -> (u64, Vec<Instance>) {
        let passing = self
            .instances
            .values()
            .filter(|instance| instance.service == service && instance.check.passing)
            .map(|instance| Instance {
                id: instance.id.clone(),
                address: instance.address.clone(),
                port: instance.port,
                meta: instance.meta.clone(),
            });
        let index = self.changed.get(service).copied().unwrap_or(1);
        (index, passing.collect())
    }
}
