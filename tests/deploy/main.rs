//! What an operator is given: the two compose files, the environment file, rules for alerts and dashboards. Nothing of it needs
//! Docker; tests/deploy/run tries it with one.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod files;
mod hardening;
mod image;
mod rights;
mod settings;
mod shape;
mod traefik;
mod watching;
