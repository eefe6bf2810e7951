//! The settings of the section `[posts]`. `config.default.toml` is their documentation.

use std::fmt::Display;
use std::str::FromStr;

use contracts::{Audience, Role};
use kit::config::Section;
use serde::{Deserialize, Deserializer};

/// Where the configuration looks for what this service needs.
pub const SECTION: Section = Section {
    name: "posts",
    defaults: include_str!("../config.default.toml"),
    secrets: &[],
};

/// The settings of this service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `posts.store`: the URL of the store; empty for the embedded default.
    pub store: String,
    /// `posts.public_audience`: whether `public` exists, i.e. whether anything is read without sign-in (rule 1).
    pub public_audience: bool,
    /// `posts.default_audience`: the audience of a post that names none, and every member may write to it (rules 2 and 3).
    #[serde(deserialize_with = "names")]
    pub default_audience: Vec<Audience>,
    /// `posts.teachers_school_wide`: whether a teacher may write to `school` (rule 2).
    pub teachers_school_wide: bool,
    /// `posts.moderate`: whose posts need approval, by the author's first role (rule 6). While there is nobody to give it,
    /// they cannot post.
    #[serde(deserialize_with = "names")]
    pub moderate: Vec<Role>,
}

impl Config {
    /// What only holds between settings.
    ///
    /// # Errors
    /// A sentence an operator can act on.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.public_audience || !self.default_audience.contains(&Audience::Public),
            "posts.default_audience is public, but posts.public_audience is false: switch it on, or name another audience"
        );
        anyhow::ensure!(
            self.default_audience.len() <= crate::audience::MAX,
            "posts.default_audience names more than {} audiences",
            crate::audience::MAX
        );
        Ok(())
    }
}

/// A list, or one text with commas (as an environment variable gives it); empty is none.
fn names<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Names {
        One(String),
        Many(Vec<String>),
    }
    let names = match Names::deserialize(deserializer)? {
        Names::One(text) => text
            .split(',')
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect(),
        Names::Many(names) => names,
    };
    names
        .iter()
        .map(|name| {
            name.parse()
                .map_err(|error| serde::de::Error::custom(format!("{name}: {error}")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(environment: &[(&str, &str)]) -> Config {
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        kit::config::Config::load(&[SECTION], None, environment, &[])
            .unwrap()
            .section("posts")
            .unwrap()
    }

    #[test]
    fn the_documented_defaults_are_those_of_a_school() {
        let config = read(&[]);
        assert!(config.check().is_ok());
        assert!(
            !config.public_audience
                && config.teachers_school_wide
                && config.default_audience.is_empty()
        );
        assert_eq!(
            config.moderate,
            [Role::Student, Role::Guardian, Role::Member]
        );
    }

    #[test]
    fn a_list_may_be_one_text_as_an_environment_variable_gives_it() {
        let config = read(&[
            ("SCHOOLYARD_POSTS__DEFAULT_AUDIENCE", "public, school"),
            ("SCHOOLYARD_POSTS__MODERATE", ""),
        ]);
        assert_eq!(
            config.default_audience,
            [Audience::Public, Audience::School]
        );
        assert!(config.moderate.is_empty());
    }

    #[test]
    fn a_default_audience_that_does_not_exist_is_refused_at_start() {
        let config = read(&[("SCHOOLYARD_POSTS__DEFAULT_AUDIENCE", "public")]);
        assert!(
            config
                .check()
                .unwrap_err()
                .to_string()
                .contains("posts.public_audience")
        );
    }
}
