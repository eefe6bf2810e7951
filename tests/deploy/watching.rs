//! Alerts and dashboards ask for what the program really tells: names and labels are read off `/metrics` of a running one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::files::{root, strings, text, yaml};

/// What one process does not count, since it has no Traefik, no other instance and no page beyond the stream; read off the
/// source instead, with their labels.
const ELSEWHERE: [(&str, &str, &[&str]); 7] = [
    ("gateway_routes_settled", "gateway/src", &[]),
    ("gateway_routes_foreign_keys", "gateway/src", &[]),
    ("auth_copy_believed", "auth/src", &[]),
    ("auth_copy_loads_total", "auth/src", &[]),
    ("auth_decisions_from_store_total", "auth/src", &[]),
    ("auth_notices_missed_total", "auth/src", &[]),
    ("feed_fallback_total", "feed/src", &["reason"]),
];

/// What other programs of the stack tell: Prometheus itself, Traefik, node-exporter.
const FOREIGN: [(&str, &[&str]); 7] = [
    ("up", &[]),
    // Told by the backup's last command.
    ("backup_finished_seconds", &[]),
    ("ALERTS", &["alertname", "alertstate"]),
    (
        "traefik_entrypoint_requests_total",
        &["code", "method", "protocol", "entrypoint"],
    ),
    ("traefik_tls_certs_not_after", &["cn", "serial", "sans"]),
    (
        "node_filesystem_avail_bytes",
        &["mountpoint", "device", "fstype"],
    ),
    (
        "node_filesystem_size_bytes",
        &["mountpoint", "device", "fstype"],
    ),
];

/// Labels that Prometheus adds to everything it asks.
const ADDED: [&str; 3] = ["app", "instance", "job"];

/// Names with the labels each has, of Prometheus' text format.
fn told(metrics: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in metrics
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let end = line.find(['{', ' ']).unwrap();
        let labels = told.entry(line[..end].to_owned()).or_default();
        if let Some((inside, _)) = line[end..]
            .strip_prefix('{')
            .and_then(|rest| rest.rsplit_once('}'))
        {
            labels.extend(
                inside
                    .split("\",")
                    .filter_map(|pair| pair.split_once('='))
                    .map(|(name, _)| name.to_owned()),
            );
        }
    }
    told
}

async fn metrics_of_a_running_program(
    wanted: &BTreeSet<String>,
) -> BTreeMap<String, BTreeSet<String>> {
    let data = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut server = tokio::process::Command::new(env!("CARGO_BIN_EXE_schoolyard"))
        .args(["serve", "--demo"])
        .env_clear()
        .env("SCHOOLYARD_DATA", data.path())
        .env("SCHOOLYARD_SERVER__LISTEN", "127.0.0.1:0")
        .env("SCHOOLYARD_SERVER__METRICS_LISTEN", free.to_string())
        .env("SCHOOLYARD_LOG__FILTER", "warn")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let base = loop {
        let line = lines
            .next_line()
            .await
            .unwrap()
            .expect("it says where it runs");
        if let Some((_, address)) = line.split_once("runs at ") {
            break address.split(' ').next().unwrap().to_owned();
        }
    };
    let client = kit::peer::client().unwrap();
    client
        .get(format!("{base}/api/services/status"))
        .send()
        .await
        .unwrap();
    // Gauges of workers come with their first tick; each wait below is an answer of the server.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let text = client
            .get(format!("http://{free}/metrics"))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let told = told(&text);
        // Those that are asked for and do not come are named by whoever asks.
        let whole = wanted.iter().all(|name| told.contains_key(name));
        if whole || tokio::time::Instant::now() > deadline {
            return told;
        }
        client.get(format!("{base}/health")).send().await.unwrap();
    }
}

fn named_in(folder: &Path, name: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return named_in(&path, name);
        }
        path.extension().is_some_and(|kind| kind == "rs")
            && std::fs::read_to_string(&path)
                .unwrap()
                .contains(&format!("\"{name}\""))
    })
}

/// A word of PromQL outside of quotes.
#[derive(Debug, PartialEq)]
enum Word {
    Name(String),
    Sign(char),
}

fn words(expr: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = expr;
    while let Some(c) = rest.chars().next() {
        let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '$' | '.');
        if c == '"' {
            let end = rest[1..].find('"').unwrap() + 2;
            rest = &rest[end..];
        } else if name(c) {
            let end = rest.find(|c| !name(c)).unwrap_or(rest.len());
            words.push(Word::Name(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            if !c.is_whitespace() {
                words.push(Word::Sign(c));
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    words
}

/// The metrics an expression asks for with the labels it asks them by, and the labels it groups and joins by.
fn asked(expr: &str) -> (BTreeMap<String, BTreeSet<String>>, BTreeSet<String>) {
    let words = words(expr);
    let (mut metrics, mut groups): (BTreeMap<String, BTreeSet<String>>, _) =
        (BTreeMap::new(), BTreeSet::new());
    let mut at = 0;
    while at < words.len() {
        let Word::Name(name) = &words[at] else {
            at += 1;
            continue;
        };
        let next = words.get(at + 1);
        let list = |from: usize, close: char| -> (Vec<String>, usize) {
            let end = (from..words.len())
                .find(|&i| words[i] == Word::Sign(close))
                .unwrap();
            let names = words[from..end].iter().filter_map(|word| match word {
                Word::Name(name) => Some(name.clone()),
                Word::Sign(_) => None,
            });
            (names.collect(), end)
        };
        if matches!(name.as_str(), "by" | "on" | "without" | "ignoring") {
            let (names, end) = list(at + 2, ')');
            groups.extend(names);
            at = end;
        } else if matches!(next, Some(Word::Sign('(')))
            || matches!(next, Some(Word::Name(name)) if name == "by" || name == "without")
            || matches!(name.as_str(), "and" | "or" | "unless" | "bool")
            || name.starts_with(|c: char| c.is_ascii_digit())
        {
            // A function, an operator or a number.
        } else if next == Some(&Word::Sign('[')) || next != Some(&Word::Sign('{')) {
            if !name.starts_with('$') && !words[..at].ends_with(&[Word::Sign('[')]) {
                metrics.entry(name.clone()).or_default();
            }
        } else {
            let (names, end) = list(at + 2, '}');
            metrics.entry(name.clone()).or_default().extend(names);
            at = end;
        }
        at += 1;
    }
    (metrics, groups)
}

/// Every expression that asks Prometheus, with where it stands.
fn expressions() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for group in yaml(&text("observability/alerts.yml"))["groups"]
        .as_array()
        .unwrap()
    {
        for rule in group["rules"].as_array().unwrap() {
            all.push((
                format!("alert {}", rule["alert"]),
                rule["expr"].as_str().unwrap().to_owned(),
            ));
        }
    }
    for entry in std::fs::read_dir(root().join("observability/dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let board: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                if target["datasource"]["uid"] == "prometheus" {
                    all.push((
                        format!("{} of {}", panel["title"], board["title"]),
                        target["expr"].as_str().unwrap().to_owned(),
                    ));
                }
            }
        }
    }
    all
}

#[tokio::test]
async fn every_alert_and_panel_asks_for_metrics_and_labels_that_there_are() {
    let elsewhere = |name: &str| {
        ELSEWHERE.iter().any(|(known, ..)| *known == name)
            || FOREIGN.iter().any(|(known, _)| *known == name)
    };
    let wanted = expressions()
        .iter()
        .flat_map(|(_, expr)| asked(expr).0.into_keys())
        .filter(|name| !elsewhere(name))
        .collect();
    let mut known = metrics_of_a_running_program(&wanted).await;
    for (name, folder, labels) in ELSEWHERE {
        assert!(
            !known.contains_key(name),
            "{name} is told by one process; take it off the list"
        );
        assert!(
            named_in(&root().join(folder), name),
            "{name} is nowhere in {folder}"
        );
        known.insert(
            name.to_owned(),
            labels.iter().map(|&label| label.to_owned()).collect(),
        );
    }
    for (name, labels) in FOREIGN {
        known.insert(
            name.to_owned(),
            labels.iter().map(|&label| label.to_owned()).collect(),
        );
    }
    for (place, expr) in expressions() {
        let (metrics, groups) = asked(&expr);
        assert!(!metrics.is_empty(), "{place}: {expr}");
        for (name, labels) in &metrics {
            let has = known
                .get(name)
                .unwrap_or_else(|| panic!("{place}: there is no metric {name}"));
            for label in labels.iter().chain(&groups) {
                assert!(
                    has.contains(label) || ADDED.contains(&&label[..]),
                    "{place}: {name} has no label {label}, but {has:?}"
                );
            }
        }
    }
}

#[test]
fn expressions_are_taken_apart_rightly() {
    let is = |pairs: &[(&str, &[&str])]| -> BTreeMap<String, BTreeSet<String>> {
        pairs
            .iter()
            .map(|(name, labels)| {
                (
                    (*name).to_owned(),
                    labels.iter().map(|&label| label.to_owned()).collect(),
                )
            })
            .collect()
    };
    let (metrics, groups) = asked(
        r#"sum by (service, le) (rate(a_total{status="5xx", route=~"$x"}[5m])) / on (z) b > 0.9 * 1024 and c"#,
    );
    assert_eq!(
        metrics,
        is(&[("a_total", &["status", "route"]), ("b", &[]), ("c", &[])])
    );
    assert_eq!(groups, ["le", "service", "z"].map(str::to_owned).into());
    let (metrics, _) = asked(
        "rate(a[$__rate_interval]) unless on (app) (label_replace(vector(1), \"app\", \"up\", \"\", \"\"))",
    );
    assert_eq!(metrics, is(&[("a", &[])]));
}

#[test]
fn every_alert_is_tried_where_it_must_fire_and_where_it_must_not() {
    let rules = yaml(&text("observability/alerts.yml"));
    let names: BTreeSet<&str> = rules["groups"][0]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["alert"].as_str().unwrap())
        .collect();
    let tests = yaml(&text("observability/alerts.test.yml"));
    let tried = |test: usize, fires: bool| -> BTreeSet<&str> {
        let tries = tests["tests"][test]["alert_rule_test"]
            .as_array()
            .unwrap()
            .iter();
        tries
            .filter(|one| one["exp_alerts"].as_array().unwrap().is_empty() != fires)
            .map(|one| one["alertname"].as_str().unwrap())
            .collect()
    };
    assert_eq!(tried(0, true), names, "on bad series");
    assert_eq!(tried(1, false), names, "on good series");
    assert!(tried(1, true).is_empty());
    let operations = text("docs/OPERATIONS.md");
    for name in names {
        assert!(
            operations.contains(&format!("| {name} |")),
            "docs/OPERATIONS.md does not say what to do about {name}"
        );
    }
}

#[test]
fn prometheus_asks_every_service_and_each_alert_of_a_missing_one_knows_it() {
    let asked = yaml(&text("observability/prometheus.yml"));
    let asked: BTreeSet<&str> =
        strings(&asked["scrape_configs"][0]["consul_sd_configs"][0]["services"])
            .into_iter()
            .collect();
    assert_eq!(asked, schoolyard::settings::SERVICES.into());
    let rules = text("observability/alerts.yml");
    for service in asked {
        assert!(
            rules.contains(&format!(
                "label_replace(vector(1), \"app\", \"{service}\", \"\", \"\")"
            )),
            "{service}"
        );
    }
}
