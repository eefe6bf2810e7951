//! Where settings come from, and what is said when one is wrong.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use kit::config::{Config, ConfigError, Origin, Section};
use serde::Deserialize;

const THINGS: Section = Section {
    name: "things",
    defaults: r#"
        [things]
        # Where they are kept.
        store = ""
        # How many.
        limit = 20
        ratio = 0.5
        open = false
        hosts = ["a.test"]
        ports = [1]
        # Nobody may know.
        api_key = ""
    "#,
    secrets: &["api_key"],
};
const OTHERS: Section = Section {
    name: "others",
    defaults: "[others]\nlimit = 1\n",
    secrets: &[],
};
const ALIASES: [(&str, &str); 2] = [
    ("API_KEY", "things.api_key"),
    ("DATABASE_URL", "things.store"),
];

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Things {
    store: String,
    limit: u8,
    ratio: f64,
    open: bool,
    hosts: Vec<String>,
    ports: Vec<u16>,
    api_key: String,
}

fn load(file: Option<&Path>, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let env = env
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    Config::load(&[THINGS, OTHERS], file, env, &ALIASES)
}

fn things(env: &[(&str, &str)]) -> Things {
    load(None, env).unwrap().section("things").unwrap()
}

fn error(env: &[(&str, &str)]) -> String {
    load(None, env).unwrap_err().to_string()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn defaults_stand_when_nothing_is_said() {
    let expected = Things {
        store: String::new(),
        limit: 20,
        ratio: 0.5,
        open: false,
        hosts: vec!["a.test".to_owned()],
        ports: vec![1],
        api_key: String::new(),
    };
    assert_eq!(things(&[]), expected);
}

#[test]
fn the_file_stands_over_the_defaults_and_the_environment_over_both() {
    let file = file("[things]\nlimit = 30\nratio = 2\n[others]\nlimit = 7\n");
    let config = load(Some(file.path()), &[("SCHOOLYARD_THINGS__LIMIT", "40")]).unwrap();
    let things: Things = config.section("things").unwrap();
    assert_eq!((things.limit, things.ratio), (40, 2.0));
    let origin = |name: &str| {
        config
            .entries()
            .into_iter()
            .find(|e| e.name == name)
            .unwrap()
            .origin
    };
    assert_eq!(
        origin("things.limit"),
        Origin::Env("SCHOOLYARD_THINGS__LIMIT".to_owned())
    );
    assert_eq!(origin("others.limit"), Origin::File(file.path().to_owned()));
    assert_eq!(origin("things.open"), Origin::Default);
}

#[test]
fn a_value_of_the_environment_is_read_as_the_type_of_its_default() {
    let things = things(&[
        ("SCHOOLYARD_THINGS__STORE", "12"),
        ("SCHOOLYARD_THINGS__LIMIT", "3"),
        ("SCHOOLYARD_THINGS__RATIO", "1"),
        ("SCHOOLYARD_THINGS__OPEN", "On"),
        ("SCHOOLYARD_THINGS__HOSTS", "a.test, b.test,"),
        ("SCHOOLYARD_THINGS__PORTS", "80,443"),
    ]);
    assert_eq!(
        (
            things.store.as_str(),
            things.limit,
            things.ratio,
            things.open
        ),
        ("12", 3, 1.0, true)
    );
    assert_eq!(
        (things.hosts, things.ports),
        (
            vec!["a.test".to_owned(), "b.test".to_owned()],
            vec![80, 443]
        )
    );
    assert_eq!(
        error(&[("SCHOOLYARD_THINGS__LIMIT", "many")]),
        "things.limit: `many` is not a whole number (from SCHOOLYARD_THINGS__LIMIT)"
    );
    assert_eq!(
        error(&[("SCHOOLYARD_THINGS__OPEN", "perhaps")]),
        "things.open: `perhaps` is neither true nor false (from SCHOOLYARD_THINGS__OPEN)"
    );
}

#[test]
fn a_value_that_the_crates_type_refuses_is_named() {
    let config = load(None, &[("SCHOOLYARD_THINGS__LIMIT", "300")]).unwrap();
    let error = config.section::<Things>("things").unwrap_err().to_string();
    assert!(
        error.starts_with("things.limit: ") && error.ends_with("(from SCHOOLYARD_THINGS__LIMIT)"),
        "{error}"
    );
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest_known_one() {
    assert_eq!(
        error(&[("SCHOOLYARD_THINGS__LIMTI", "3")]),
        "SCHOOLYARD_THINGS__LIMTI: there is no such setting (SCHOOLYARD_THINGS__LIMTI); \
         did you mean SCHOOLYARD_THINGS__LIMIT?"
    );
    assert!(
        error(&[("SCHOOLYARD_THING__LIMIT", "3")])
            .contains("did you mean SCHOOLYARD_THINGS__LIMIT?")
    );
    assert!(
        error(&[("SCHOOLYARD_THINGS_LIMIT", "3")])
            .contains("did you mean SCHOOLYARD_THINGS__LIMIT?")
    );
    assert!(error(&[("SCHOOLYARD_X", "3")]).contains("`config print` lists all"));
    let file = file("[things]\nlimti = 3\n");
    let error = load(Some(file.path()), &[]).unwrap_err().to_string();
    assert!(error.ends_with("did you mean things.limit?"), "{error}");
}

#[test]
fn names_of_tests_of_main_and_of_others_are_left_alone() {
    let env = [
        ("SCHOOLYARD_TEST_POSTGRES", "x"),
        ("SCHOOLYARD_DATA", "x"),
        ("SCHOOLYARD_CONFIG", "x"),
        ("PATH", "x"),
        ("THINGS__LIMIT", "x"),
    ];
    assert_eq!(things(&env), things(&[]));
}

#[test]
fn a_secret_may_be_in_a_file_whose_last_newline_is_dropped() {
    let secret = file(" two\nlines\n");
    let path = secret.path().to_str().unwrap();
    assert_eq!(
        things(&[("SCHOOLYARD_THINGS__API_KEY_FILE", path)]).api_key,
        " two\nlines"
    );
    assert_eq!(things(&[("API_KEY_FILE", path)]).api_key, " two\nlines");
    assert!(
        error(&[("SCHOOLYARD_THINGS__STORE_FILE", path)]).contains("no such setting"),
        "not a secret"
    );
    let missing = error(&[("API_KEY_FILE", "/nowhere/at/all")]);
    assert!(
        missing.starts_with("API_KEY_FILE: /nowhere/at/all cannot be read"),
        "{missing}"
    );
}

#[test]
fn a_setting_given_twice_in_the_environment_is_refused() {
    let secret = file("x");
    let path = secret.path().to_str().unwrap();
    for env in [
        [
            ("SCHOOLYARD_THINGS__API_KEY", "x"),
            ("SCHOOLYARD_THINGS__API_KEY_FILE", path),
        ],
        [("API_KEY", "x"), ("API_KEY_FILE", path)],
        [("API_KEY", "x"), ("SCHOOLYARD_THINGS__API_KEY", "x")],
    ] {
        assert!(
            matches!(load(None, &env), Err(ConfigError::Twice { .. })),
            "{env:?}"
        );
    }
}

#[test]
fn other_names_of_a_setting_are_taken() {
    let things = things(&[("API_KEY", "k"), ("DATABASE_URL", "postgres://u:p@db/x")]);
    assert_eq!(
        (things.api_key.as_str(), things.store.as_str()),
        ("k", "postgres://u:p@db/x")
    );
}

#[test]
fn what_is_shown_hides_secrets_and_passwords() {
    let config = load(
        None,
        &[
            ("API_KEY", "geheim"),
            ("DATABASE_URL", "postgres://u:geheim@db/x"),
        ],
    )
    .unwrap();
    let shown: Vec<String> = config
        .entries()
        .iter()
        .map(|e| format!("{} = {} # {}", e.name, e.value, e.origin))
        .collect();
    let shown = shown.join("\n");
    assert!(
        shown.contains("things.api_key = ******** # API_KEY"),
        "{shown}"
    );
    assert!(
        shown.contains("things.store = \"postgres://u:********@db/x\""),
        "{shown}"
    );
    assert!(!shown.contains("geheim") && !format!("{config:?}").contains("geheim"));
}

#[test]
fn an_error_about_a_secret_does_not_show_it() {
    const NUMBER: Section = Section {
        name: "n",
        defaults: "[n]\npin = 0\n",
        secrets: &["pin"],
    };
    let env = vec![("SCHOOLYARD_N__PIN".to_owned(), "geheim".to_owned())];
    let error = Config::load(&[NUMBER], None, env, &[])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("n.pin") && !error.contains("geheim"),
        "{error}"
    );
}

#[test]
fn a_profile_sets_what_the_operator_has_not_set() {
    let mut config = load(None, &[("SCHOOLYARD_THINGS__LIMIT", "3")]).unwrap();
    config.set("things", "open", true, Origin::Demo).unwrap();
    config.set("things", "limit", 99, Origin::Demo).unwrap();
    let things: Things = config.section("things").unwrap();
    assert_eq!((things.open, things.limit), (true, 3));
    assert!(config.set("things", "nothing", true, Origin::Demo).is_err());
}

#[test]
fn a_file_that_is_missing_or_is_no_toml_or_has_another_type_is_refused() {
    assert!(matches!(
        load(Some(Path::new("/nowhere.toml")), &[]),
        Err(ConfigError::File { .. })
    ));
    assert!(matches!(
        load(Some(file("[things\n").path()), &[]),
        Err(ConfigError::Syntax { .. })
    ));
    let error = load(Some(file("[things]\nlimit = \"3\"\n").path()), &[])
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("things.limit: must be a whole number"),
        "{error}"
    );
    let error = load(Some(file("limit = 3\n").path()), &[])
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("limit: there is no such setting"),
        "{error}"
    );
}

#[test]
fn defaults_that_are_wrong_are_found_at_the_start() {
    for (defaults, secrets) in [
        ("[x]\na = 1\n", &[][..]),
        ("[things]\na = 1\n", &["b"][..]),
        ("[things]\na = \n", &[][..]),
    ] {
        let section = Section {
            name: "things",
            defaults,
            secrets,
        };
        assert!(matches!(
            Config::load(&[section], None, vec![], &[]),
            Err(ConfigError::Defaults { .. })
        ));
    }
}

#[test]
fn kits_own_defaults_fit_their_types() {
    let config = Config::load(
        &[kit::server::SECTION, kit::telemetry::SECTION],
        None,
        vec![],
        &[],
    )
    .unwrap();
    let server: kit::server::Config = config.section("server").unwrap();
    assert_eq!(
        (
            server.listen.port(),
            server.body_limit,
            server.limits().headers
        ),
        (8080, 1_048_576, 16_384)
    );
    let log: kit::telemetry::Config = config.section("log").unwrap();
    assert_eq!(log.format, kit::telemetry::LogFormat::Human);
}
