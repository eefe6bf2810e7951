//! The shape of the workspace, held over `cargo metadata`: the arrows of the design, refused crates, licences, and that kit
//! and backends know no school word.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};
use schoolyard::assembly::upstreams;

fn metadata() -> Metadata {
    // Of this platform only: what others need is not on this machine, and a test asks no network.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let options = ["--offline", "--locked", "--filter-platform", &platform].map(str::to_owned);
    MetadataCommand::new()
        .current_dir(root())
        .other_options(options)
        .exec()
        .expect("cargo metadata runs")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

const SHARED: [&str; 3] = ["kit", "backends", "contracts"];

/// What each crate of ours may use of ours.
fn allowed(name: &str) -> Option<BTreeSet<&'static str>> {
    let names: &[&str] = match name {
        "kit" => &[],
        "backends" => &["kit"],
        "contracts" => &["kit", "backends"],
        "gateway" => &["kit", "contracts"],
        service if upstreams::SERVICES.contains(&service) => &SHARED,
        "schoolyard" | "bench" => &[
            "kit",
            "backends",
            "contracts",
            "gateway",
            "auth",
            "profile",
            "posts",
            "feed",
        ],
        _ => return None,
    };
    Some(names.iter().copied().collect())
}

#[test]
fn no_service_depends_on_a_service_and_the_gateway_on_none() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    for package in metadata.workspace_packages() {
        let allowed = allowed(&package.name)
            .unwrap_or_else(|| panic!("{} is not in the architecture test", package.name));
        let used: BTreeSet<&str> = package
            .dependencies
            .iter()
            .map(|dependency| dependency.name.as_str())
            .filter(|name| ours.contains(name))
            .collect();
        let foreign: Vec<_> = used.difference(&allowed).collect();
        assert!(
            foreign.is_empty(),
            "{} must not use {foreign:?}",
            package.name
        );
    }
}

#[test]
fn every_crate_is_tested_by_cargo_test_but_bench() {
    let metadata = metadata();
    let default: BTreeSet<_> = metadata
        .workspace_default_packages()
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let mut expected: BTreeSet<_> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    expected.remove("bench");
    assert_eq!(default, expected);
}

/// Name and licence of every crate that is built into the binary on this platform. `cargo tree` and not `cargo metadata`:
/// only it leaves out what no chosen feature needs.
fn shipped() -> BTreeMap<String, String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.current_dir(root()).args([
        "tree",
        "--offline",
        "--locked",
        "--package",
        "schoolyard",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
    ]);
    let output = tree
        .args(["--format", "{p}|{l}"])
        .output()
        .expect("cargo tree runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().filter_map(|line| line.split_once('|'));
    rows.map(|(package, licence)| {
        (
            package.split(' ').next().unwrap_or_default().to_owned(),
            licence.trim_end_matches(" (*)").to_owned(),
        )
    })
    .collect()
}

#[test]
fn no_second_tls_library_and_no_crate_with_an_open_advisory_is_shipped() {
    let shipped = shipped();
    assert!(
        shipped.contains_key("rustls") && shipped.contains_key("aws-lc-rs"),
        "the list is not read right"
    );
    let deny = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    for refused in ["openssl", "openssl-sys", "native-tls", "ring", "rsa"] {
        assert!(!shipped.contains_key(refused), "{refused} is in the tree");
        assert!(
            deny.contains(&format!("crate = \"{refused}\"")),
            "deny.toml does not refuse {refused}"
        );
    }
}

#[test]
fn every_shipped_crate_has_a_licence_that_deny_toml_allows() {
    let deny: toml::Table = std::fs::read_to_string(root().join("deny.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let allowed: BTreeSet<&str> = deny["licenses"]["allow"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    for (name, expression) in shipped() {
        // `A OR B`, `A/B`: one of them is enough; `A AND B`: all of them are needed.
        let satisfied = expression
            .replace(['(', ')'], "")
            .split(" AND ")
            .all(|part| {
                part.replace('/', " OR ")
                    .split(" OR ")
                    .any(|licence| allowed.contains(licence.trim()))
            });
        assert!(satisfied, "{name} is under `{expression}`");
    }
}

const SCHOOL_WORDS: [&str; 25] = [
    "school",
    "schools",
    "pupil",
    "pupils",
    "student",
    "students",
    "teacher",
    "teachers",
    "guardian",
    "guardians",
    "classroom",
    "lesson",
    "lessons",
    "homework",
    "grade",
    "grades",
    "gradebook",
    "exam",
    "exams",
    "quiz",
    "quizzes",
    "enrolment",
    "timetable",
    "feed",
    "posts",
];

/// The object of the published example of the audit chain (spec/privacy-audit.md rule 1): its hash cannot be had without it.
const EXAMPLE: &str = "exam_result:1";

#[test]
fn kit_and_backends_know_no_school_word() {
    let mut found = Vec::new();
    for name in ["kit", "backends"] {
        for file in sources(&root().join(name)) {
            let text = std::fs::read_to_string(&file).unwrap();
            for (n, line) in text.lines().enumerate() {
                let lower = line
                    .to_lowercase()
                    .replace("schoolyard", "")
                    .replace(EXAMPLE, "");
                let words = lower.split(|c: char| !c.is_ascii_alphanumeric());
                found.extend(
                    words
                        .filter(|word| SCHOOL_WORDS.contains(word))
                        .map(|word| format!("{}:{}: {word}", file.display(), n + 1)),
                );
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("data") && !path.ends_with("target") {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|end| {
            ["rs", "sql", "toml", "md"]
                .iter()
                .any(|known| end == *known)
        }) {
            files.push(path);
        }
    }
    files
}
