//! The one binary: the command line, and which services run here. Everything a request meets lives in the crates.

pub mod assembly;
pub mod cli;
pub mod commands;
pub mod control;
pub mod data_dir;
pub mod demo;
pub mod preflight;
pub mod progress;
pub mod settings;
