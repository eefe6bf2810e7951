//! The full stack's way in: Traefik, told by keys in Consul what to route.

mod doors;
mod entry;
mod model;
mod reconcile;
mod render;
mod serve;
#[cfg(test)]
mod sim;
mod trust;

pub use entry::EntryAuthority;
pub use model::Unwritable;
pub use reconcile::{Reconciler, Sources, State, View};
pub use render::{Routing, Settings};
pub use serve::{Behind, BehindDeps, behind_traefik};
pub use trust::{Authority, Trust};
