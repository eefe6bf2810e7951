//! The shape of the workspace, held over `cargo metadata`: the arrows of the design, refused crates, licences, and that kit
//! and backends know no school word.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

fn metadata() -> Metadata {
    // Of this platform only: what others need is not on this machine, and a test asks no network.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let options = ["--offline", "--locked", "--filter-platform", &platform].map(str::to_owned);
    MetadataCommand::new().current_dir(root()).other_options(options).exec().expect("cargo metadata runs")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

const SHARED: [&str; 3] = ["kit", "backends", "contracts"];
const SERVICES: [&str; 3] = ["auth", "posts", "feed"];

/// What each crate of ours may use of ours.
fn allowed(name: &str) -> Option<BTreeSet<&'static str>> {
    let names: &[&str] = match name {
        "kit" => &[],
        "backends" => &["kit"],
        "contracts" => &["kit", "backends"],
        "gateway" => &["kit", "contracts"],
        service if SERVICES.contains(&service) => &SHARED,
        "schoolyard" | "bench" => &["kit", "backends", "contracts", "gateway", "auth", "posts", "feed"],
        _ => return None,
    };
    Some(names.iter().copied().collect())
}

#[test]
fn no_service_depends_on_a_service_and_the_gateway_on_none() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    for package in metadata.workspace_packages() {
        let allowed = allowed(&package.name).unwrap_or_else(|| panic!("{} is not in the architecture test", package.name));
        let used: BTreeSet<&str> =
            package.dependencies.iter().map(|dependency| dependency.name.as_str()).filter(|name| ours.contains(name)).collect();
        let foreign: Vec<_> = used.difference(&allowed).collect();
        assert!(foreign.is_empty(), "{} must not use {foreign:?}", package.name);
    }
}

#[test]
fn every_crate_is_tested_by_cargo_test_but_bench() {
    let metadata = metadata();
    let default: BTreeSet<_> = metadata.workspace_default_packages().iter().map(|package| package.name.to_string()).collect();
    let mut expected: BTreeSet<_> = metadata.workspace_packages().iter().map(|package| package.name.to_string()).collect();
    expected.remove("bench");
    assert_eq!(default, expected);
}

/// The names in the crates that are reached from the binary, not through tests.
fn shipped(metadata: &Metadata) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut queue: VecDeque<_> = metadata.workspace_default_members.iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = queue.pop_front() {
        if seen.insert(id) {
            let shipped = nodes[id].deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development));
            queue.extend(shipped.map(|dep| &dep.pkg));
        }
    }
    seen.into_iter().map(|id| metadata[id].name.to_string()).collect()
}

#[test]
fn no_second_tls_library_and_no_crate_with_an_open_advisory_is_shipped() {
    let metadata = metadata();
    let shipped = shipped(&metadata);
    for refused in ["openssl", "openssl-sys", "native-tls", "ring", "rsa"] {
        assert!(!shipped.contains(refused), "{refused} is in the tree");
        let deny = std::fs::read_to_string(root().join("deny.toml")).unwrap();
        assert!(deny.contains(&format!("crate = \"{refused}\"")), "deny.toml does not refuse {refused}");
    }
}

#[test]
fn every_shipped_crate_has_a_licence_that_deny_toml_allows() {
    let metadata = metadata();
    let deny: toml::Table = std::fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap();
    let allowed: BTreeSet<&str> = deny["licenses"]["allow"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let shipped = shipped(&metadata);
    for package in metadata.packages.iter().filter(|package| shipped.contains(package.name.as_str())) {
        let expression = package.license.clone().unwrap_or_else(|| panic!("{} names no licence", package.name));
        // `A OR B`, `A/B`: one of them is enough; `A AND B`: all of them are needed.
        let satisfied = expression.replace(['(', ')'], "").split(" AND ").all(|part| {
            part.replace('/', " OR ").split(" OR ").any(|licence| allowed.contains(licence.trim()))
        });
        assert!(satisfied, "{} is under {expression}", package.name);
    }
}

const SCHOOL_WORDS: [&str; 25] = [
    "school", "schools", "pupil", "pupils", "student", "students", "teacher", "teachers", "guardian", "guardians", "classroom", "lesson",
    "lessons", "homework", "grade", "grades", "gradebook", "exam", "exams", "quiz", "quizzes", "enrolment", "timetable", "feed", "posts",
];

#[test]
fn kit_and_backends_know_no_school_word() {
    let mut found = Vec::new();
    for name in ["kit", "backends"] {
        for file in sources(&root().join(name)) {
            let text = std::fs::read_to_string(&file).unwrap();
            for (n, line) in text.lines().enumerate() {
                let lower = line.to_lowercase().replace("schoolyard", "");
                let words = lower.split(|c: char| !c.is_ascii_alphanumeric());
                found.extend(words.filter(|word| SCHOOL_WORDS.contains(word)).map(|word| format!("{}:{}: {word}", file.display(), n + 1)));
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
        } else if path.extension().is_some_and(|end| ["rs", "sql", "toml", "md"].iter().any(|known| end == *known)) {
            files.push(path);
        }
    }
    files
}
