//! The files, read as Docker reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use schoolyard::commands::environment;
use serde_json::Value;

/// Pasted and run on a machine of one's own, and the same with more ports and a build, for development.
pub const DOCKGE: &str = "dockge/schoolyard/compose.yaml";
pub const LOCAL: &str = "docker-compose.yml";

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// YAML with its anchors and merges resolved.
pub fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A compose file, variables not filled in.
pub fn raw(path: &str) -> Value {
    let mut file = yaml(&text(path));
    // Only there to be merged.
    file.as_object_mut()
        .unwrap()
        .retain(|name, _| !name.starts_with("x-"));
    file
}

/// A compose file with what a fresh `.env` says.
pub fn filled(path: &str) -> Value {
    let mut file = raw(path);
    let env = fresh();
    each_text(&mut file, &mut |text| {
        *text = interpolate(text, &env, &mut BTreeMap::new());
    });
    file
}

pub fn services(file: &Value) -> &serde_json::Map<String, Value> {
    file["services"].as_object().unwrap()
}

/// What an inline config says.
pub fn content<'a>(file: &'a Value, config: &str) -> &'a str {
    file["configs"][config]["content"]
        .as_str()
        .unwrap_or_else(|| panic!("no config {config}"))
}

pub fn strings(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .map(|all| all.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

/// A fresh `.env`, as a map.
pub fn fresh() -> BTreeMap<String, String> {
    let ids = kit::ids::RandomIds::shared(kit::SystemClock::shared());
    pairs(&environment::fresh(&*ids))
}

pub fn pairs(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What stands behind a variable's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Otherwise {
    /// `${NAME:-this}`
    Default(String),
    /// `${NAME:?..}`
    Refused,
}

/// Every variable a compose file takes, with what it does where `.env` lacks it.
pub fn variables(path: &str) -> BTreeMap<String, BTreeSet<Otherwise>> {
    let mut found = BTreeMap::new();
    let env = fresh();
    each_text(&mut raw(path), &mut |text| {
        interpolate(text, &env, &mut found);
    });
    found
}

fn each_text(value: &mut Value, f: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => f(text),
        Value::Array(all) => all.iter_mut().for_each(|one| each_text(one, f)),
        Value::Object(all) => all.values_mut().for_each(|one| each_text(one, f)),
        _ => {}
    }
}

/// Docker's interpolation, as far as these files use it; anything else is refused.
fn interpolate(
    text: &str,
    env: &BTreeMap<String, String>,
    found: &mut BTreeMap<String, BTreeSet<Otherwise>>,
) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let (name, after) = after
            .strip_prefix('{')
            .and_then(|after| after.split_once('}'))
            .unwrap_or_else(|| panic!("a dollar that is neither ${{NAME..}} nor $$ in {text:?}"));
        let (name, otherwise) = match name.split_once(":-") {
            Some((name, default)) => (name, Otherwise::Default(default.to_owned())),
            None => {
                let (name, message) = name
                    .split_once(":?")
                    .unwrap_or_else(|| panic!("{name} has neither default nor message"));
                assert!(
                    message.contains(".env.example"),
                    "{name}: the message says no cure"
                );
                (name, Otherwise::Refused)
            }
        };
        let given = env.get(name).filter(|value| !value.is_empty());
        match (given, &otherwise) {
            (Some(value), _) | (None, Otherwise::Default(value)) => out.push_str(value),
            (None, Otherwise::Refused) => panic!("{name} is not in a fresh .env"),
        }
        found.entry(name.to_owned()).or_default().insert(otherwise);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// What a bash script prints, started in the root.
pub fn bash(script: &str) -> String {
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
