//! Stories over the whole system, in both topologies. One binary, so that it is linked once.

#![expect(clippy::unwrap_used, reason = "a story may panic")]

mod access;
mod architecture;
mod bad_input;
mod beside;
mod command_line;
mod crash;
mod dead_letters;
mod events;
mod feed_commands;
#[cfg(feature = "real-tests")]
mod full;
mod live;
#[cfg(feature = "real-tests")]
mod misconfigured;
#[cfg(feature = "deployed-tests")]
mod published;
mod races;
mod rebuild;
mod spoof;
mod stream;
mod support;
mod topologies;
mod traces;
#[cfg(feature = "real-tests")]
mod traefik;
mod walk;
