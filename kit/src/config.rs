//! Configuration in layers: the documented defaults, then a file, then the environment.

mod entries;
mod error;
mod load;
mod mask;
mod value;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use toml::Value;

pub use entries::{Entry, Origin};
pub use error::ConfigError;

/// What the names of all settings in the environment begin with.
pub const PREFIX: &str = "SCHOOLYARD_";

/// The settings of one crate.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its name: the `[name]` of the file, `SCHOOLYARD_NAME__KEY` of the environment.
    pub name: &'static str,
    /// Commented TOML with its `[name]` header: the defaults, the known keys with their types, and the documentation.
    pub defaults: &'static str,
    /// The keys that are secrets: never shown, and also taken from a file named by `.._FILE`.
    pub secrets: &'static [&'static str],
}

/// The configuration of a process. Knows for every setting where its value comes from.
#[derive(Clone)]
pub struct Config {
    settings: BTreeMap<(&'static str, String), Setting>,
}

#[derive(Clone)]
struct Setting {
    value: Value,
    origin: Origin,
    secret: bool,
}

impl Config {
    /// The settings of one section as its crate's own type.
    ///
    /// # Errors
    /// When a value does not fit; the error names the setting.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, ConfigError> {
        let table: toml::Table = self
            .settings
            .iter()
            .filter(|((section, _), _)| *section == name)
            .map(|((_, key), setting)| (key.clone(), setting.value.clone()))
            .collect();
        serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
            let key = error.path().to_string();
            self.unfit(name, &key, error.inner().message())
        })
    }

    fn unfit(&self, section: &str, key: &str, message: &str) -> ConfigError {
        let found = self
            .settings
            .iter()
            .find(|((s, k), _)| *s == section && k == key);
        let origin = found.map_or(Origin::Default, |(_, setting)| setting.origin.clone());
        // serde repeats the value in its sentence
        let message = match found {
            Some((_, setting)) if setting.secret => "the value does not fit".to_owned(),
            _ => message.trim_end().to_owned(),
        };
        ConfigError::Value {
            name: format!("{section}.{key}"),
            origin,
            message,
        }
    }

    /// Sets a value for a profile, unless the operator has set one himself.
    ///
    /// # Errors
    /// When there is no such setting.
    pub fn set(
        &mut self,
        section: &str,
        key: &str,
        value: impl Into<Value>,
        origin: Origin,
    ) -> Result<(), ConfigError> {
        let found = self
            .settings
            .iter_mut()
            .find(|((s, k), _)| *s == section && k == key);
        let Some((_, setting)) = found else {
            return Err(self.unknown(
                format!("{section}.{key}"),
                &format!("{section}.{key}"),
                &Origin::Default,
            ));
        };
        if !setting.origin.is_operator() {
            setting.value = value.into();
            setting.origin = origin;
        }
        Ok(())
    }

    /// Every setting with its value as it may be shown and where it comes from.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.settings
            .iter()
            .map(|((section, key), setting)| Entry {
                name: format!("{section}.{key}"),
                value: mask::shown(&setting.value, setting.secret),
                origin: setting.origin.clone(),
            })
            .collect()
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(self.entries().into_iter().map(|e| (e.name, e.value)))
            .finish()
    }
}

/// The environment of the process: the only place that reads it. Names or values that are not UTF-8 are left out.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one reader of the environment"
)]
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
