//! A service: its routes, its workers and what must be reachable for it to work.

mod check;
mod health;
mod worker;

pub use check::{Check, CheckError};
pub use health::{Health, Live, Ready};
pub use worker::Worker;

use crate::routes::RouteSet;

/// A service, ready to be hosted: by a server of its own, or with others in one process.
#[derive(Debug)]
pub struct Service {
    /// Its name, as in `/api/<name>/health`, the log and the metrics.
    pub name: &'static str,
    /// What it answers.
    pub routes: RouteSet,
    /// What it does by itself.
    pub workers: Vec<Worker>,
    /// What must be reachable.
    pub checks: Vec<Check>,
}
