//! The settings of this process: every crate's section, the names of older systems, and the profiles.

use std::path::{Path, PathBuf};

use kit::config::{Config, ConfigError, Origin, Section};
use secrecy::SecretString;
use serde::Deserialize;

/// What `serve` was asked to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Everything, in this process.
    All,
    /// These services only.
    Only(Vec<String>),
}

/// The services that can be named, in the order in which they are built.
pub const SERVICES: [&str; 5] = ["auth", "profile", "posts", "feed", "gateway"];

/// Those of them that have a store of their own.
const STORED: [&str; 3] = ["auth", "profile", "posts"];

/// Every section there is, in the order in which `config print` shows them.
pub const SECTIONS: [Section; 12] = [
    kit::server::SECTION,
    kit::consul::SECTION,
    kit::telemetry::SECTION,
    kit::trace::SECTION,
    Section {
        name: "compat",
        defaults: COMPAT,
        secrets: &[],
    },
    Section {
        name: "bus",
        defaults: BUS,
        secrets: &[],
    },
    Section {
        name: "peers",
        defaults: PEERS,
        secrets: &["credential"],
    },
    gateway::SECTION,
    auth::SECTION,
    profile::SECTION,
    posts::SECTION,
    feed::SECTION,
];

const COMPAT: &str = include_str!("../defaults/compat.toml");
const BUS: &str = include_str!("../defaults/bus.toml");
const PEERS: &str = include_str!("../defaults/peers.toml");

/// `[compat]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compat {
    /// Behave as the CivilDIY stack.
    pub civildiy: bool,
}

/// `[bus]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    /// Where events go; empty: the embedded default.
    pub url: String,
}

/// `[peers]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peers {
    /// Where auth answers.
    pub auth: String,
    /// Where profile answers.
    pub profile: String,
    /// Where posts answers.
    pub posts: String,
    /// Where the feed answers.
    pub feed: String,
    /// What this service proves itself to auth with.
    pub credential: SecretString,
}

/// The settings, and where the data is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Every section.
    pub config: Config,
    /// The data directory.
    pub data: PathBuf,
}

/// Why the settings cannot be used. All of these end the command with exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// One of them is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A name of an older system that this target cannot use.
    #[error("{name} is for a service that runs alone; {cure}")]
    OneService {
        /// The variable.
        name: &'static str,
        /// What to set instead.
        cure: String,
    },
    /// There is no such service.
    #[error("there is no service `{name}`; there are: {}", SERVICES.join(", "))]
    UnknownService {
        /// As it was typed.
        name: String,
    },
    /// A setting is missing or cannot stand beside another.
    #[error("{name}: {what}")]
    Unfit {
        /// The setting.
        name: String,
        /// What is wrong and what to do.
        what: String,
    },
}

impl SettingsError {
    /// A setting that is missing or does not fit.
    pub fn unfit(name: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Unfit {
            name: name.into(),
            what: what.into(),
        }
    }
}

impl Target {
    /// Reads the services named on the command line.
    ///
    /// # Errors
    /// [`SettingsError::UnknownService`].
    pub fn of(names: &[String]) -> Result<Self, SettingsError> {
        if let Some(name) = names.iter().find(|name| !SERVICES.contains(&name.as_str())) {
            return Err(SettingsError::UnknownService { name: name.clone() });
        }
        if names.is_empty() {
            return Ok(Self::All);
        }
        Ok(Self::Only(
            SERVICES
                .iter()
                .filter(|known| names.iter().any(|name| name == **known))
                .map(ToString::to_string)
                .collect(),
        ))
    }

    /// Whether this service runs here.
    #[must_use]
    pub fn runs(&self, service: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|name| name == service),
        }
    }
}

impl Settings {
    /// Reads them: defaults, file, environment, then the profiles for what the operator left open.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn load(
        env: Vec<(String, String)>,
        target: &Target,
        demo: bool,
    ) -> Result<Self, SettingsError> {
        let find = |name: &str| {
            env.iter()
                .find(|(known, value)| known == name && !value.is_empty())
                .map(|(_, value)| value.clone())
        };
        let data =
            PathBuf::from(find("SCHOOLYARD_DATA").unwrap_or_else(|| "schoolyard-data".to_owned()));
        let file = find("SCHOOLYARD_CONFIG").map(PathBuf::from);
        let database = database_alias(
            target,
            find("DATABASE_URL").is_some() || find("DATABASE_URL_FILE").is_some(),
        )?;
        let mut aliases = vec![
            ("SECRET_KEY", "auth.secret_key"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp.endpoint"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "otlp.headers"),
        ];
        aliases.extend(
            database
                .as_ref()
                .map(|setting| ("DATABASE_URL", setting.as_str())),
        );
        let mut config = Config::load(&SECTIONS, file.as_deref(), env, &aliases)?;
        if demo {
            config.set("auth", "registration", "open", Origin::Demo)?;
        }
        if config.section::<Compat>("compat")?.civildiy {
            civildiy(&mut config)?;
        }
        kit::consul::Config::profile(&mut config)?;
        Ok(Self { config, data })
    }

    /// One section as its crate's own type.
    ///
    /// # Errors
    /// When a value does not fit.
    pub fn section<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, SettingsError> {
        Ok(self.config.section(name)?)
    }
}

/// The four defaults that `compat.civildiy` changes.
fn civildiy(config: &mut Config) -> Result<(), ConfigError> {
    let origin = || Origin::Profile("compat.civildiy");
    config.set("auth", "registration", "open", origin())?;
    config.set("posts", "public_audience", true, origin())?;
    config.set("posts", "default_audience", "public", origin())?;
    config.set("posts", "moderate", toml::value::Array::new(), origin())
}

/// `DATABASE_URL` of the 004 stack means the store of the one service that runs.
fn database_alias(target: &Target, given: bool) -> Result<Option<String>, SettingsError> {
    let cure = |service: &str| format!("set SCHOOLYARD_{}__STORE", service.to_uppercase());
    match target {
        Target::Only(names) if names.len() == 1 && STORED.contains(&names[0].as_str()) => {
            Ok(Some(format!("{}.store", names[0])))
        }
        _ if !given => Ok(None),
        Target::All => Err(SettingsError::OneService {
            name: "DATABASE_URL",
            cure: format!("{} instead", STORED.map(cure).join(" and ")),
        }),
        Target::Only(names) => {
            let cures: Vec<_> = STORED
                .into_iter()
                .filter(|service| names.iter().any(|name| name == service))
                .map(cure)
                .collect();
            Err(SettingsError::OneService {
                name: "DATABASE_URL",
                cure: if cures.is_empty() {
                    "remove it: these services have no database".to_owned()
                } else {
                    cures.join(" and ")
                },
            })
        }
    }
}

/// A store's URL with its default filled in and its path made a path in the data directory.
///
/// # Errors
/// When a service that runs alone was not told its store: it is never replaced silently.
pub fn store_url(
    setting: &str,
    given: &str,
    default: Option<(&Path, &str)>,
) -> Result<String, SettingsError> {
    if !given.is_empty() {
        let relative = given
            .strip_prefix("sqlite:")
            .filter(|path| !path.starts_with('/') && !path.is_empty());
        return Ok(match (relative, default) {
            (Some(path), Some((data, _))) => format!("sqlite:{}", data.join(path).display()),
            _ => given.to_owned(),
        });
    }
    let Some((data, name)) = default else {
        let variable = format!(
            "{}{}",
            kit::config::PREFIX,
            setting.to_uppercase().replace('.', "__")
        );
        return Err(SettingsError::unfit(
            setting,
            format!(
                "a service that runs alone must be told; set {variable}, for example to sqlite:/srv/schoolyard/data.db or postgres://user:password@host/database"
            ),
        ));
    };
    Ok(format!("sqlite:{}", data.join(name).display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn value(settings: &Settings, name: &str) -> String {
        settings
            .config
            .entries()
            .into_iter()
            .find(|entry| entry.name == name)
            .unwrap()
            .value
    }

    #[test]
    fn the_compatibility_switch_changes_four_defaults_and_none_the_operator_set() {
        let plain = Settings::load(env(&[]), &Target::All, false).unwrap();
        let compat = Settings::load(
            env(&[("SCHOOLYARD_COMPAT__CIVILDIY", "true")]),
            &Target::All,
            false,
        )
        .unwrap();
        let changed: Vec<_> = plain
            .config
            .entries()
            .into_iter()
            .zip(compat.config.entries())
            .filter(|(before, after)| before.value != after.value)
            .map(|(_, after)| format!("{}={}", after.name, after.value))
            .collect();
        assert_eq!(
            changed,
            [
                "auth.registration=\"open\"",
                "compat.civildiy=true",
                "posts.default_audience=\"public\"",
                "posts.moderate=[]",
                "posts.public_audience=true"
            ]
        );
        let kept = env(&[
            ("SCHOOLYARD_COMPAT__CIVILDIY", "true"),
            ("SCHOOLYARD_AUTH__REGISTRATION", "closed"),
        ]);
        assert_eq!(
            value(
                &Settings::load(kept, &Target::All, false).unwrap(),
                "auth.registration"
            ),
            "\"closed\""
        );
    }

    #[test]
    fn a_demo_lets_people_register() {
        assert_eq!(
            value(
                &Settings::load(env(&[]), &Target::All, true).unwrap(),
                "auth.registration"
            ),
            "\"open\""
        );
        assert_eq!(
            value(
                &Settings::load(env(&[]), &Target::All, false).unwrap(),
                "auth.registration"
            ),
            "\"invite\""
        );
    }

    #[test]
    fn the_old_database_url_is_the_store_of_one_service_and_an_error_for_more() {
        let one = Target::of(&["posts".to_owned()]).unwrap();
        let settings =
            Settings::load(env(&[("DATABASE_URL", "postgres://db/p")]), &one, false).unwrap();
        assert_eq!(value(&settings, "posts.store"), "\"postgres://db/p\"");
        for target in [
            Target::All,
            Target::of(&["auth".to_owned(), "posts".to_owned()]).unwrap(),
        ] {
            let error = Settings::load(env(&[("DATABASE_URL", "postgres://db/p")]), &target, false)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("SCHOOLYARD_AUTH__STORE")
                    && error.contains("SCHOOLYARD_POSTS__STORE"),
                "{error}"
            );
        }
    }

    #[test]
    fn an_unknown_setting_is_an_error_with_the_nearest_name() {
        let error = Settings::load(
            env(&[("SCHOOLYARD_POSTS__STOER", "x")]),
            &Target::All,
            false,
        )
        .unwrap_err()
        .to_string();
        assert!(error.contains("SCHOOLYARD_POSTS__STORE"), "{error}");
    }

    #[test]
    fn an_unknown_service_is_refused_with_those_there_are() {
        let error = Target::of(&["auht".to_owned()]).unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no service `auht`; there are: auth, profile, posts, feed, gateway"
        );
    }

    #[test]
    fn a_service_alone_is_never_given_a_store_it_was_not_told() {
        let error = store_url("posts.store", "", None).unwrap_err().to_string();
        assert!(error.contains("SCHOOLYARD_POSTS__STORE"), "{error}");
        let data = Path::new("/data");
        assert_eq!(
            store_url("posts.store", "", Some((data, "posts.db"))).unwrap(),
            "sqlite:/data/posts.db"
        );
        assert_eq!(
            store_url("posts.store", "sqlite:p.db", Some((data, "posts.db"))).unwrap(),
            "sqlite:/data/p.db"
        );
        assert_eq!(
            store_url("posts.store", "postgres://h/d", Some((data, "posts.db"))).unwrap(),
            "postgres://h/d"
        );
    }
}
