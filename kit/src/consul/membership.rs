//! A process among the others in Consul.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::announce::Announcement;
use super::own::Own;
use super::standing::Standing;
use super::{Catalog, discover};
use crate::clock::SharedClock;
use crate::peer::Pool;
use crate::service::{Check, Service, Worker};

/// How long an instance asks Consul in one question whether it is still known; then it looks whether what it told is still so.
const LOOK: Duration = Duration::from_secs(5);

/// What a process does in Consul: it makes its services known and finds those of others. That Consul is away, or refuses the
/// token, never ends anything; the readiness check `consul` says it, the log says it once, and it is tried again.
#[derive(Debug)]
pub struct Membership {
    catalog: Arc<dyn Catalog>,
    clock: SharedClock,
    standing: Standing,
    look: Duration,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    pools: BTreeMap<&'static str, Pool>,
    workers: Vec<Worker>,
}

impl Membership {
    /// A process that does nothing in Consul yet.
    #[must_use]
    pub fn new(catalog: Arc<dyn Catalog>, clock: SharedClock) -> Self {
        Self {
            catalog,
            clock,
            standing: Standing::default(),
            look: LOOK,
            found: Mutex::default(),
        }
    }

    /// The same, with another time for one question whether Consul still knows an instance of this process (5 s).
    #[must_use]
    pub fn looking_every(self, look: Duration) -> Self {
        Self { look, ..self }
    }

    /// The instances of another service whose checks pass. Empty until the workers run and Consul has answered.
    pub fn discover(&self, service: &'static str) -> Pool {
        let mut found = self.found.lock();
        if let Some(pool) = found.pools.get(service) {
            return pool.clone();
        }
        let pool = Pool::found(service, self.clock.clone());
        found.pools.insert(service, pool.clone());
        let (catalog, standing) = (self.catalog.clone(), self.standing.clone());
        let following = pool.clone();
        found.workers.push(Worker::new(
            format!("consul discovery of {service}"),
            move |stop| discover::keep(catalog, standing, following, stop),
        ));
        pool
    }

    /// Makes an instance of a service known, from when its essential checks are well until its host is told to stop; and
    /// adds the check `consul`, without which it works with less. The service's other checks must be there already.
    pub fn join(&self, service: &mut Service, own: Own) {
        let announcement = Announcement {
            catalog: self.catalog.clone(),
            standing: self.standing.clone(),
            service: service.name,
            own,
            essential: service
                .checks
                .iter()
                .filter(|check| check.is_essential())
                .cloned()
                .collect(),
            look: self.look,
        };
        service.workers.push(Worker::announcing(
            format!("consul registration of {}", service.name),
            move |stop| announcement.keep(stop),
        ));
        service.checks.push(self.check());
    }

    /// The readiness check `consul`, for a process that only finds others.
    #[must_use]
    pub fn check(&self) -> Check {
        let standing = self.standing.clone();
        Check::degrading("consul", move || std::future::ready(standing.check()))
    }

    /// The workers of what was discovered, each once.
    #[must_use]
    pub fn workers(&self) -> Vec<Worker> {
        std::mem::take(&mut self.found.lock().workers)
    }
}
