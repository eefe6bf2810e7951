//! Putting the layers together.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Config, ConfigError, Origin, PREFIX, Section, Setting, value};

/// Names that begin like settings and are none: the data directory and the file, which main reads itself.
const RESERVED: [&str; 2] = ["SCHOOLYARD_DATA", "SCHOOLYARD_CONFIG"];
/// Variables of tests, which only tests read.
const FOR_TESTS: &str = "SCHOOLYARD_TEST_";
const FILE_SUFFIX: &str = "_FILE";

impl Config {
    /// Reads the configuration: the sections' defaults, over them `file`, over it the environment
    /// (`SCHOOLYARD_<SECTION>__<KEY>`, for secrets also `.._FILE` with the path of a file whose last newline is
    /// dropped). A value of the environment is read as the type of its default; a list is separated by commas.
    ///
    /// `aliases` are further names of settings in the environment, `("SECRET_KEY", "auth.secret_key")`; each has its
    /// `_FILE` too.
    ///
    /// # Errors
    /// [`ConfigError`]: an unknown name (with the nearest known one), a value that does not fit, a setting given twice
    /// in the environment, a file that cannot be read.
    pub fn load(
        sections: &[Section],
        file: Option<&Path>,
        env: Vec<(String, String)>,
        aliases: &[(&str, &str)],
    ) -> Result<Self, ConfigError> {
        let mut config = Self {
            settings: defaults(sections)?,
        };
        if let Some(path) = file {
            config.add_file(path)?;
        }
        config.add_environment(env, aliases)?;
        Ok(config)
    }

    fn add_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::File {
            name: "the configuration file".to_owned(),
            path: shown.clone(),
            message: error.to_string(),
        })?;
        let table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| ConfigError::Syntax {
                path: shown,
                message: error.to_string(),
            })?;
        let origin = Origin::File(path.to_owned());
        for (section, content) in table {
            let Value::Table(keys) = content else {
                return Err(self.unknown(section.clone(), &section, &origin));
            };
            for (key, given) in keys {
                let name = format!("{section}.{key}");
                let Some(setting) = self.find(&name) else {
                    return Err(self.unknown(name.clone(), &name, &origin));
                };
                if !value::fits(&given, &setting.value) {
                    let message = format!("must be {}", value::kind(&setting.value));
                    return Err(ConfigError::Value {
                        name,
                        origin,
                        message,
                    });
                }
                setting.value = given;
                setting.origin = origin.clone();
            }
        }
        Ok(())
    }

    fn add_environment(
        &mut self,
        env: Vec<(String, String)>,
        aliases: &[(&str, &str)],
    ) -> Result<(), ConfigError> {
        let aliases: HashMap<&str, &str> = aliases.iter().copied().collect();
        let mut given: HashMap<String, String> = HashMap::new();
        let mut env = env;
        env.sort();
        for (variable, text) in env {
            let origin = Origin::Env(variable.clone());
            let Some((name, is_file)) = self.setting_of(&variable, &aliases) else {
                if variable.starts_with(PREFIX)
                    && !variable.starts_with(FOR_TESTS)
                    && !RESERVED.contains(&variable.as_str())
                {
                    let wanted = variable[PREFIX.len()..]
                        .to_ascii_lowercase()
                        .replacen("__", ".", 1);
                    return Err(self.unknown(variable, &wanted, &origin));
                }
                continue;
            };
            if let Some(first) = given.insert(name.clone(), variable.clone()) {
                return Err(ConfigError::Twice {
                    name,
                    first,
                    second: variable,
                });
            }
            self.add_variable(&name, variable, text, is_file)?;
        }
        Ok(())
    }

    fn add_variable(
        &mut self,
        name: &str,
        variable: String,
        text: String,
        is_file: bool,
    ) -> Result<(), ConfigError> {
        let (text, origin) = if is_file {
            let path = PathBuf::from(text);
            let text = std::fs::read_to_string(&path).map_err(|error| ConfigError::File {
                name: variable.clone(),
                path: path.display().to_string(),
                message: error.to_string(),
            })?;
            (
                without_final_newline(text),
                Origin::SecretFile {
                    name: variable,
                    path,
                },
            )
        } else {
            (text, Origin::Env(variable))
        };
        let Some(setting) = self.find(name) else {
            return Ok(());
        };
        // a secret is taken as it is: its spaces may be part of it
        let parsed = if setting.secret && setting.value.is_str() {
            Ok(Value::String(text))
        } else {
            value::parse(&text, &setting.value)
        };
        setting.value = parsed.map_err(|message| {
            let message = if setting.secret {
                "the value does not fit".to_owned()
            } else {
                message
            };
            ConfigError::Value {
                name: name.to_owned(),
                origin: origin.clone(),
                message,
            }
        })?;
        setting.origin = origin;
        Ok(())
    }

    /// The setting that a variable is about, and whether it holds the path of a file. `_FILE` of an alias or a secret
    /// only, unless a setting has that very name.
    fn setting_of(&self, variable: &str, aliases: &HashMap<&str, &str>) -> Option<(String, bool)> {
        if let Some(&name) = aliases.get(variable) {
            return Some((name.to_owned(), false));
        }
        if let Some(&name) = variable
            .strip_suffix(FILE_SUFFIX)
            .and_then(|v| aliases.get(v))
        {
            return Some((name.to_owned(), true));
        }
        if let Some((name, _)) = self.named(variable) {
            return Some((name, false));
        }
        let (name, secret) = self.named(variable.strip_suffix(FILE_SUFFIX)?)?;
        secret.then_some((name, true))
    }

    fn named(&self, variable: &str) -> Option<(String, bool)> {
        let (section, key) = variable.strip_prefix(PREFIX)?.split_once("__")?;
        let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
        let (_, setting) = self
            .settings
            .iter()
            .find(|((s, k), _)| *s == section && *k == key)?;
        Some((format!("{section}.{key}"), setting.secret))
    }

    fn find(&mut self, name: &str) -> Option<&mut Setting> {
        let (section, key) = name.split_once('.')?;
        self.settings
            .iter_mut()
            .find(|((s, k), _)| *s == section && k == key)
            .map(|(_, setting)| setting)
    }

    /// `wanted` is what the name would be as `section.key`; the nearest is given in the spelling of the mistake.
    pub(super) fn unknown(&self, name: String, wanted: &str, origin: &Origin) -> ConfigError {
        let known = self.settings.iter().flat_map(|((section, key), setting)| {
            let plain = format!("{section}.{key}");
            let file = setting.secret.then(|| format!("{plain}_file"));
            [Some(plain), file].into_iter().flatten()
        });
        let nearest = known
            .map(|known| (strsim::damerau_levenshtein(&known, wanted), known))
            .min()
            .filter(|(distance, known)| *distance <= known.len().max(wanted.len()) / 2)
            .map(|(_, known)| match origin {
                Origin::Env(_) => format!(
                    "{PREFIX}{}",
                    known.replacen('.', "__", 1).to_ascii_uppercase()
                ),
                _ => known,
            });
        ConfigError::Unknown {
            name,
            origin: origin.clone(),
            nearest,
        }
    }
}

fn defaults(
    sections: &[Section],
) -> Result<BTreeMap<(&'static str, String), Setting>, ConfigError> {
    let mut settings = BTreeMap::new();
    for section in sections {
        let wrong = |message: String| ConfigError::Defaults {
            section: section.name.to_owned(),
            message,
        };
        let mut table: Table = section
            .defaults
            .parse()
            .map_err(|e: toml::de::Error| wrong(e.to_string()))?;
        let Some(Value::Table(keys)) = table.remove(section.name) else {
            return Err(wrong(format!("there is no [{}]", section.name)));
        };
        if let Some(unknown) = section.secrets.iter().find(|key| !keys.contains_key(**key)) {
            return Err(wrong(format!("the secret `{unknown}` has no default")));
        }
        if let Some((other, _)) = table.iter().next() {
            return Err(wrong(format!("`{other}` is not part of it")));
        }
        for (key, value) in keys {
            let secret = section.secrets.contains(&key.as_str());
            let setting = Setting {
                value,
                origin: Origin::Default,
                secret,
            };
            if settings.insert((section.name, key), setting).is_some() {
                return Err(wrong("it is given twice".to_owned()));
            }
        }
    }
    Ok(settings)
}

fn without_final_newline(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}
