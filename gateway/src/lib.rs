#![doc = include_str!("../README.md")]

mod assemble;
pub mod client;
mod config;
pub mod docs;
mod gate;
pub mod headers;
mod hosts;
mod identity;
mod own;
pub mod path;
mod probe;
mod rate;
mod security;
pub mod table;
mod upstream;

pub use assemble::{Gateway, GatewayDeps, Published, build};
pub use config::{Config, DocsAccess, SECTION};
pub use upstream::Upstream;
