//! Who may do what on the servers of the stack is what tests/real/lib/rights.sh says, where every right is proved.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use crate::files::{DOCKGE, bash, content, filled, fresh, services, strings};

fn said(script: &str) -> String {
    bash(&format!(
        "here=tests/real; run=/run; . tests/real/lib/rights.sh; . tests/real/lib/grants.sh; of() {{ echo x; }}; {script}"
    ))
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Upper case with underlines, as Kafka's own names are, of `DescribeConfigs`.
fn kafkas(name: &str) -> String {
    let mut out = String::new();
    for (at, c) in name.char_indices() {
        if at > 0 && c.is_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

#[test]
fn kafka_grants_what_the_rights_say() {
    let mut granted = BTreeSet::new();
    for line in content(&filled(DOCKGE), "kafka-rights-list")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let parts: Vec<&str> = line.split(' ').collect();
        let [who, operations, kind, names] = parts[..] else {
            panic!("{line}")
        };
        for who in who.split(',') {
            for operation in operations.split(',') {
                for name in names.split(',') {
                    granted.insert(format!(
                        "{who} {} {} {name}",
                        kafkas(operation),
                        kind.to_uppercase()
                    ));
                }
            }
        }
    }
    let wanted: BTreeSet<_> = said("kafka_rights").lines().map(words).collect();
    assert_eq!(granted, wanted);
}

#[test]
fn kafka_knows_exactly_its_users_and_lets_in_nobody_else() {
    let file = filled(DOCKGE);
    let server = content(&file, "kafka-server");
    let line = server
        .lines()
        .find(|line| line.starts_with("listener.name.clients.plain"))
        .unwrap();
    let known: BTreeSet<_> = line
        .split(" user_")
        .skip(1)
        .map(|user| user.split('=').next().unwrap().to_owned())
        .collect();
    let wanted: BTreeSet<_> = said("kafka_users")
        .split(" user_")
        .skip(1)
        .map(|user| user.split('=').next().unwrap().to_owned())
        .collect();
    assert_eq!(known, wanted);
    for line in [
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found=false",
        "auto.create.topics.enable=false",
    ] {
        assert!(server.lines().any(|there| there == line), "{line}");
    }
    assert!(
        !server.contains(":PLAINTEXT"),
        "every listener asks for a password"
    );
}

#[test]
fn redis_has_the_users_of_the_rights_and_no_default_one() {
    let shown = |text: &str| -> BTreeMap<String, String> {
        text.lines()
            .map(|line| {
                let mut words: Vec<_> = line
                    .split_whitespace()
                    .filter(|word| !word.starts_with(['>', '#']))
                    .collect();
                words.sort_unstable();
                let name = line.split_whitespace().nth(1).unwrap();
                (name.to_owned(), words.join(" "))
            })
            .collect()
    };
    let here = shown(content(&filled(DOCKGE), "redis-users"));
    assert_eq!(here, shown(&said("redis_users")));
    assert!(here["default"].contains(" off "));
}

#[test]
fn postgresql_is_told_what_the_rights_say() {
    let env = fresh();
    // grant_postgres prints to psql; here psql is cat.
    let wanted = said("as_admin() { cat >&3; }; grant_postgres 3>&1");
    let here = crate::files::raw(DOCKGE);
    let mut here = content(&here, "postgres-rights").to_owned();
    for name in env.keys() {
        here = here.replace(
            &format!("${{{name}:?is missing in .env, see .env.example}}"),
            "x",
        );
    }
    let lines = |text: &str| -> BTreeSet<String> {
        text.lines()
            .filter(|line| !line.starts_with("--") && !line.trim().is_empty())
            .map(words)
            .collect()
    };
    assert_eq!(lines(&here), lines(&wanted));
}

#[test]
fn consul_gives_each_service_its_own_token_with_the_rights_there_are() {
    let file = filled(DOCKGE);
    let mut rules = BTreeMap::new();
    let (mut accessors, mut secrets) = (BTreeSet::new(), BTreeSet::new());
    for line in content(&file, "consul-tokens")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let mut parts = line.splitn(4, ' ');
        let (name, accessor, secret) = (
            parts.next().unwrap(),
            parts.next().unwrap(),
            parts.next().unwrap(),
        );
        assert!(
            accessors.insert(accessor.to_owned()) && secrets.insert(secret.to_owned()),
            "{name}"
        );
        rules.insert(name.to_owned(), words(parts.next().unwrap()));
    }
    let said = said(
        "consul_api() { :; }; consul_agent() { :; }; consul_token() { echo \"$1|$2\"; }; grant_consul",
    );
    let mut wanted: BTreeMap<_, _> = said
        .lines()
        .map(|line| line.split_once('|').unwrap())
        .map(|(name, rules)| (name.to_owned(), words(rules)))
        .collect();
    // Only here: it finds what it asks for metrics.
    wanted.insert(
        "prometheus".to_owned(),
        "service_prefix \"\" { policy = \"read\" } node_prefix \"\" { policy = \"read\" }"
            .to_owned(),
    );
    assert_eq!(rules, wanted);
    let agent: serde_json::Value = serde_json::from_str(content(&file, "consul-agent")).unwrap();
    assert_eq!(
        (
            agent["acl"]["enabled"].as_bool(),
            agent["acl"]["default_policy"].as_str()
        ),
        (Some(true), Some("deny"))
    );
    // Its own it is told when Consul knows it.
    let configured = agent["acl"]["tokens"].as_object().unwrap();
    assert_eq!(
        configured.keys().collect::<Vec<_>>(),
        ["initial_management"]
    );
    // Each service shows the token that is made for it.
    for (name, service) in services(&file) {
        if let Some(shown) = service["environment"]["SCHOOLYARD_CONSUL__TOKEN"].as_str() {
            let line = content(&file, "consul-tokens")
                .lines()
                .find(|line| line.starts_with(&format!("{name} ")))
                .unwrap();
            assert!(line.contains(shown), "{name}");
        }
    }
}

#[test]
fn every_script_is_one_that_a_shell_can_read_and_every_config_is_used() {
    let file = filled(DOCKGE);
    let used: BTreeSet<_> = services(&file)
        .values()
        .flat_map(|service| service["configs"].as_array().cloned().unwrap_or_default())
        .map(|config| {
            (
                config["source"].as_str().unwrap().to_owned(),
                config["target"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let declared: BTreeSet<_> = file["configs"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(
        used.iter()
            .map(|(source, _)| source.clone())
            .collect::<BTreeSet<_>>(),
        declared
    );
    for (source, _) in used.iter().filter(|(_, target)| target.ends_with(".sh")) {
        let script = content(&file, source);
        assert!(script.starts_with("#!/bin/sh\n"), "{source}");
        let mut shell = Command::new("sh")
            .arg("-n")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        shell
            .stdin
            .take()
            .unwrap()
            .write_all(script.as_bytes())
            .unwrap();
        assert!(shell.wait().unwrap().success(), "{source}");
    }
}

#[test]
fn what_grants_rights_is_no_child_of_the_server_and_counts_for_its_health() {
    let file = filled(DOCKGE);
    for name in ["postgres", "mongodb", "kafka", "consul"] {
        let service = &file["services"][name];
        assert_eq!(service["init"], true, "{name}");
        assert_eq!(
            strings(&service["entrypoint"]),
            ["/bin/sh", "/schoolyard/start.sh"],
            "{name}"
        );
        assert!(
            strings(&service["healthcheck"]["test"])
                .join(" ")
                .contains("test -f /tmp/rights"),
            "{name}"
        );
        assert!(
            content(&file, &format!("{name}-start")).contains("rm -f /tmp/rights"),
            "{name}"
        );
    }
}
