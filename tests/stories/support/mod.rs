//! What the stories share.

mod live;
mod person;
pub mod process;
mod raw;
mod school;

pub use live::Live;
pub use person::{Answer, Person, titles};
pub use raw::raw;
pub use school::{School, Topology};
