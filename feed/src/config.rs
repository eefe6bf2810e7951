//! The settings of the section `[feed]`. `config.default.toml` is their documentation.

use kit::config::Section;
use serde::Deserialize;

/// Where the configuration looks for what this service needs.
pub const SECTION: Section = Section {
    name: "feed",
    defaults: include_str!("../config.default.toml"),
    secrets: &["store"],
};

/// The settings of this service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `feed.store`: where the stream is kept, an address with a password perhaps.
    pub store: String,
    /// `feed.window`: items kept per audience and per person.
    pub window: usize,
    /// `feed.group`: the consumer group.
    pub group: String,
    /// `feed.page_cache_kib`: KiB of rendered first pages.
    pub page_cache_kib: usize,
    /// `feed.live_streams`: open live streams of this process at most.
    pub live_streams: usize,
    /// `feed.live_streams_per_person`: of one person at most.
    pub live_streams_per_person: usize,
    /// `feed.live_comment_seconds`: seconds after which a quiet live stream gives a sign of life.
    pub live_comment_seconds: u64,
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
        anyhow::ensure!(
            self.live_streams_per_person >= 1,
            "feed.live_streams_per_person is 0: nobody could open one; to refuse all, set feed.live_streams to 0"
        );
        anyhow::ensure!(
            self.live_comment_seconds >= 1,
            "feed.live_comment_seconds is 0: a sign of life needs a second at least"
        );
        Ok(())
    }
}

impl Default for Config {
    /// The documented defaults.
    fn default() -> Self {
        Self {
            store: "memory:".to_owned(),
            window: 1000,
            group: "feed-generator".to_owned(),
            page_cache_kib: 8192,
            live_streams: 5000,
            live_streams_per_person: 5,
            live_comment_seconds: 20,
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
            (
                &config.store,
                config.window,
                &config.group,
                config.page_cache_kib
            ),
            (
                &expected.store,
                expected.window,
                &expected.group,
                expected.page_cache_kib
            )
        );
        let live = |config: &Config| {
            let (all, each) = (config.live_streams, config.live_streams_per_person);
            (all, each, config.live_comment_seconds)
        };
        assert_eq!(live(&config), live(&expected));
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
