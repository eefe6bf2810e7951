//! The settings of the section `[feed]`. `config.default.toml` is their documentation.

use kit::config::Section;
use serde::Deserialize;

/// Where the configuration looks for what this service needs.
pub const SECTION: Section = Section {
    name: "feed",
    defaults: include_str!("../config.default.toml"),
    secrets: &[],
};

/// The settings of this service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `feed.window`: items kept per audience and per person.
    pub window: usize,
    /// `feed.group`: the consumer group.
    pub group: String,
    /// `feed.page_cache_kib`: KiB of rendered first pages.
    pub page_cache_kib: usize,
}

impl Config {
    /// What a type does not say.
    ///
    /// # Errors
    /// A sentence an operator can act on.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.window >= 1,
            "feed.window is 0: a stream keeps at least one item per audience"
        );
        anyhow::ensure!(
            !self.group.is_empty(),
            "feed.group is empty: the consumer needs a name on the bus"
        );
        Ok(())
    }
}

impl Default for Config {
    /// The documented defaults.
    fn default() -> Self {
        Self {
            window: 1000,
            group: "feed-generator".to_owned(),
            page_cache_kib: 8192,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        let loaded = kit::config::Config::load(&[SECTION], None, Vec::new(), &[]).unwrap();
        let config: Config = loaded.section("feed").unwrap();
        let expected = Config::default();
        assert_eq!(
            (config.window, &config.group, config.page_cache_kib),
            (expected.window, &expected.group, expected.page_cache_kib)
        );
        assert!(config.check().is_ok());
    }

    #[test]
    fn a_stream_without_a_window_is_refused_at_start() {
        let config = Config {
            window: 0,
            ..Config::default()
        };
        assert!(
            config
                .check()
                .unwrap_err()
                .to_string()
                .starts_with("feed.window")
        );
    }
}
