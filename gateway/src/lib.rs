#![doc = include_str!("../README.md")]

mod assemble;
mod client;
mod config;
pub mod docs;
mod gate;
mod headers;
mod hosts;
mod identity;
mod instances;
mod own;
mod path;
mod probe;
mod problems;
mod rate;
mod security;
mod table;
pub mod traefik;
mod upstream;

pub use assemble::{Gateway, GatewayDeps, Published, build, documents};
pub use client::TrustedProxies;
pub use config::{Config, DocsAccess, SECTION};
pub use security::harden;
pub use table::TableError;
pub use upstream::Upstream;
