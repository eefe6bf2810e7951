//! People, a roster and what was told, for the tests of services.

mod events;
mod people;
mod roster;

pub use self::events::{event, outbox};
pub use self::people::{Person, admin, guardian, member, person, staff, student, teacher};
pub use self::roster::TestRoster;
