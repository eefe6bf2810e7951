//! Every name of `.env`, and what each service is told.

use std::collections::{BTreeMap, BTreeSet};

use schoolyard::assembly::Plan;
use schoolyard::commands::environment::{self, GROUPS, Kind};
use schoolyard::settings::{SERVICES, Settings, Target};
use serde_json::Value;

use crate::files::{
    DOCKGE, LOCAL, Otherwise, bash, content, filled, raw, services, strings, text, variables,
};

#[test]
fn env_example_is_what_the_program_shows() {
    let wanted = environment::example();
    assert!(
        text(".env.example") == wanted,
        ".env.example is not up to date; it must be:\n{wanted}"
    );
}

#[test]
fn the_compose_files_take_exactly_the_names_that_config_init_gives() {
    let given: BTreeMap<&str, Kind> = GROUPS
        .iter()
        .flat_map(|group| group.names.iter().copied())
        .collect();
    let local = variables(LOCAL);
    let taken: BTreeSet<_> = local.keys().map(String::as_str).collect();
    // Docker reads this one itself; the profiles test holds what it may say. A password is also hashed in another name.
    let mut wanted: BTreeSet<_> = given.keys().copied().collect();
    wanted.remove("COMPOSE_PROFILES");
    assert_eq!(taken, wanted);
    for (name, otherwise) in variables(DOCKGE).into_iter().chain(local) {
        let expected = match given[&name[..]] {
            Kind::Choice(value) => Otherwise::Default(value.to_owned()),
            _ => Otherwise::Refused,
        };
        assert_eq!(otherwise, BTreeSet::from([expected]), "{name}");
        assert!(
            name.starts_with("SY_"),
            "{name} may be another stack's in Dockge's global.env"
        );
    }
}

#[test]
fn every_service_of_the_routes_table_has_a_container() {
    for path in [DOCKGE, LOCAL] {
        let file = filled(path);
        let serving: BTreeSet<String> = services(&file)
            .iter()
            .filter(|(_, service)| strings(&service["command"]).first() == Some(&"serve"))
            .map(|(name, service)| {
                assert_eq!(strings(&service["command"]), ["serve", name], "{name}");
                name.clone()
            })
            .collect();
        let mut wanted: BTreeSet<String> = schoolyard::assembly::upstreams::SERVICES
            .map(str::to_owned)
            .into();
        wanted.insert("gateway".to_owned());
        assert_eq!(serving, wanted);
        assert_eq!(serving, SERVICES.map(str::to_owned).into());
    }
}

fn environment_of(file: &Value, service: &str) -> Vec<(String, String)> {
    let environment = file["services"][service]["environment"]
        .as_object()
        .unwrap();
    environment
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn every_service_takes_its_settings_and_knows_where_to_store() {
    let file = filled(DOCKGE);
    for service in SERVICES {
        let target = Target::of(&[service.to_owned()]).unwrap();
        let settings = Settings::load(environment_of(&file, service), &target, false)
            .unwrap_or_else(|error| panic!("{service}: {error}"));
        let plan =
            Plan::of(&settings, &target).unwrap_or_else(|error| panic!("{service}: {error}"));
        assert_eq!(plan.server.listen.port(), 5000, "{service}");
        assert!(!plan.consul.address.is_empty(), "{service}");
    }
}

#[test]
fn every_service_tells_its_traces_where_env_says_and_nowhere_without() {
    for path in [DOCKGE, LOCAL] {
        let file = filled(path);
        for service in SERVICES {
            let target = Target::of(&[service.to_owned()]).unwrap();
            let endpoint = |environment: Vec<(String, String)>| -> String {
                let settings = Settings::load(environment, &target, false).unwrap();
                let otlp: kit::trace::Config = settings.section("otlp").unwrap();
                otlp.endpoint
            };
            let mut environment = environment_of(&file, service);
            assert_eq!(endpoint(environment.clone()), "", "{service}");

            let name = "OTEL_EXPORTER_OTLP_ENDPOINT";
            let written = &raw(path)["services"][service]["environment"][name];
            assert_eq!(written, "${SY_OTLP_ENDPOINT:-}", "{service}");
            environment.retain(|(known, _)| known != name);
            environment.push((name.to_owned(), "http://collector:4318".to_owned()));
            assert_eq!(endpoint(environment), "http://collector:4318", "{service}");
        }
    }
}

#[test]
fn every_service_is_told_what_it_is_told_on_the_real_servers() {
    // Set by the image, and by the profile of Consul.
    let elsewhere = ["SCHOOLYARD_DATA", "SCHOOLYARD_SERVER__SHUTDOWN_DELAY"];
    let file = filled(DOCKGE);
    for service in SERVICES {
        let told = bash(&format!(
            "run=/run; . tests/real/lib/env.sh; secret() {{ echo x; }}; of() {{ echo x; }}; at() {{ echo x:1; }}; first_of() {{ echo x; }}
             service_env {service} | cut -d= -f1"
        ));
        let here: BTreeSet<_> = environment_of(&file, service)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        for name in told.lines().map(|name| name.trim_end_matches("_FILE")) {
            assert!(
                here.contains(name) || elsewhere.contains(&name),
                "{service} is not told {name}"
            );
        }
    }
}

#[test]
fn a_credential_that_a_service_shows_is_one_that_auth_knows() {
    let file = filled(DOCKGE);
    let known = environment_of(&file, "auth")
        .into_iter()
        .find(|(name, _)| name == "SCHOOLYARD_AUTH__SERVICE_CREDENTIALS")
        .unwrap()
        .1;
    let shown = ["feed", "gateway"].map(|service| {
        let told = environment_of(&file, service);
        let own = told
            .into_iter()
            .find(|(name, _)| name == "SCHOOLYARD_PEERS__CREDENTIAL");
        format!("{service}:{}", own.unwrap().1)
    });
    assert_eq!(known, shown.join(","));
}

/// Who a server is told of with which password: the line of an inline config that says both.
fn grants(file: &Value, scheme: &str, user: &str, password: &str) -> bool {
    let (config, line) = match scheme {
        "postgres" => ("postgres-rights", format!("ALTER ROLE {user} LOGIN")),
        "mongodb" => ("mongodb-rights", "const rights".to_owned()),
        "redis" => ("redis-users", format!("user {user} on")),
        "kafka" => ("kafka-server", format!("user_{user}=\"{password}\"")),
        _ => return false,
    };
    let said = content(file, config);
    said.lines()
        .any(|there| there.contains(&line) && there.contains(password))
}

#[test]
fn every_address_a_service_is_told_is_a_server_it_waits_for_reaches_and_may_enter() {
    let file = filled(DOCKGE);
    let images = [
        ("postgres", "postgres:"),
        ("mongodb", "mongo:"),
        ("redis", "redis:"),
        ("kafka", "apache/kafka:"),
        ("http", "hashicorp/consul:"),
    ];
    let networks = |name: &str| {
        strings(&file["services"][name]["networks"])
            .into_iter()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    let mut stores = 0;
    for service in SERVICES {
        let mut needed = BTreeSet::new();
        for (name, value) in environment_of(&file, service) {
            let Some((scheme, rest)) = value.split_once("://") else {
                continue;
            };
            if name == "SCHOOLYARD_GATEWAY__TRAEFIK_INTERNAL" {
                continue; // Traefik's own loopback; the test of Traefik holds it.
            }
            let (identity, address) = rest.rsplit_once('@').unwrap_or(("", rest));
            let host = address.split([':', '/']).next().unwrap();
            let there = services(&file)
                .get(host)
                .unwrap_or_else(|| panic!("{service}: {name} names {host}, which is no container"));
            let image = images
                .iter()
                .find(|(known, _)| *known == scheme)
                .unwrap_or_else(|| panic!("{service}: {name} is {scheme}:"));
            assert!(
                there["image"].as_str().unwrap().starts_with(image.1),
                "{service}: {name} finds {} at {host}",
                there["image"]
            );
            assert!(
                !networks(service).is_disjoint(&networks(host)),
                "{service} does not reach {host}"
            );
            if let Some((user, password)) = identity.split_once(':') {
                assert_eq!(user, service, "{name}");
                assert!(
                    grants(&file, scheme, user, password),
                    "{host} lets no {user} in with the password of {name}"
                );
                stores += 1;
            }
            needed.insert(host.to_owned());
        }
        let waits: BTreeSet<_> = file["services"][service]["depends_on"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        assert_eq!(waits, needed, "{service}");
    }
    assert_eq!(stores, 9, "three databases, two of Redis, four on the bus");
}

fn init(args: &[&str], out: std::process::Stdio) -> std::process::Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_schoolyard"));
    command
        .args(["config", "init"])
        .args(args)
        .env_clear()
        .stdout(out);
    command.spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn a_file_that_config_init_is_sent_to_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    let file = std::fs::File::create(&path).unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
        .unwrap();
    assert!(init(&[], file.into()).status.success());
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // After an update, the same command twice adds what is new once.
    let whole = std::fs::read_to_string(&path).unwrap();
    let before: String = whole
        .lines()
        .filter(|line| !line.starts_with("SY_KAFKA_FEED="))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(&path, &before).unwrap();
    for _ in 0..2 {
        let added = init(
            &["--missing", path.to_str().unwrap()],
            std::process::Stdio::piped(),
        );
        let text =
            std::fs::read_to_string(&path).unwrap() + &String::from_utf8(added.stdout).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let now = std::fs::read_to_string(&path).unwrap();
    assert!(now.starts_with(&before));
    assert_eq!(now.matches("SY_KAFKA_FEED=").count(), 1);
    assert_eq!(
        crate::files::pairs(&now).keys().collect::<Vec<_>>(),
        crate::files::pairs(&whole).keys().collect::<Vec<_>>()
    );
}
