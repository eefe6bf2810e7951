//! What the stories share.

#[cfg(feature = "real-tests")]
mod door;
mod live;
mod person;
mod place;
pub mod process;
#[cfg(feature = "deployed-tests")]
mod published;
mod raw;
#[cfg(feature = "real-tests")]
mod run;
mod school;
#[cfg(feature = "real-tests")]
mod servers;
#[cfg(feature = "real-tests")]
mod stack;
mod whole;

pub use live::{Live, Seen};
pub use person::{Answer, Person, titles};
pub use place::Place;
#[cfg(feature = "deployed-tests")]
pub use published::Published;
pub use raw::raw;
#[cfg(feature = "real-tests")]
pub use run::{Run, script};
pub use school::{School, Topology};
#[cfg(feature = "real-tests")]
pub use servers::Servers;
#[cfg(feature = "real-tests")]
pub use stack::Stack;
pub use whole::{all_posts, titles_by_id, whole_stream};
