//! What the stories share.

mod live;
mod person;
pub mod process;
mod raw;
mod school;
#[cfg(feature = "real-tests")]
mod servers;

pub use live::{Live, Seen};
pub use person::{Answer, Person, titles};
pub use raw::raw;
pub use school::{School, Topology};
#[cfg(feature = "real-tests")]
pub use servers::Servers;
