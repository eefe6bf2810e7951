#![doc = include_str!("../README.md")]

pub mod access;
mod audience;
pub mod bearer;
mod ca;
pub mod clients;
pub mod events;
pub mod html;
mod ids;
mod roles;
mod roster;
pub mod testing;
mod tls_door;
pub mod topics;
mod verified;
pub mod verifier;

pub use audience::{Audience, UnknownAudience};
pub use ca::{CaBundle, NoBundle};
pub use clients::{Decision, Identity, InternalCa, Posts, Presented};
pub use ids::{MalformedId, PostId, UserId};
pub use roles::{Role, Roles, UnknownRole};
pub use roster::{Duty, RolesOnly, Roster};
pub use tls_door::TlsDoor;
pub use verified::Verified;
pub use verifier::Verifier;
