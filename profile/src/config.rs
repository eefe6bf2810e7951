//! The settings of the section `[profile]`. `config.default.toml` is their documentation.

use kit::config::Section;
use serde::Deserialize;

/// Where the configuration looks for what this service needs.
pub const SECTION: Section = Section {
    name: "profile",
    defaults: include_str!("../config.default.toml"),
    secrets: &[],
};

/// The settings of this service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `profile.store`: the URL of the store; empty for the embedded default.
    pub store: String,
}
