//! JSON values as YAML 1.2: as much of YAML as a document that was JSON needs.

use serde_json::{Map, Value};

/// Writes a value in block style.
#[must_use]
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(members) if !members.is_empty() => object(members, 0, &mut out),
        Value::Array(items) if !items.is_empty() => array(items, 0, &mut out),
        flat => out.push_str(&scalar(flat)),
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

fn object(members: &Map<String, Value>, indent: usize, out: &mut String) {
    for (name, value) in members {
        out.push_str(&" ".repeat(indent));
        out.push_str(&text(name));
        out.push(':');
        match value {
            Value::Object(members) if !members.is_empty() => {
                out.push('\n');
                object(members, indent + 2, out);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                array(items, indent + 2, out);
            }
            flat => line(flat, out),
        }
    }
}

fn array(items: &[Value], indent: usize, out: &mut String) {
    for item in items {
        out.push_str(&" ".repeat(indent));
        out.push('-');
        let mut nested = String::new();
        match item {
            Value::Object(members) if !members.is_empty() => {
                object(members, indent + 2, &mut nested);
            }
            Value::Array(items) if !items.is_empty() => array(items, indent + 2, &mut nested),
            flat => line(flat, out),
        }
        // The first line of what is nested stands behind the dash.
        if let Some(rest) = nested.get(indent + 2..) {
            out.push(' ');
            out.push_str(rest);
        }
    }
}

fn line(flat: &Value, out: &mut String) {
    out.push(' ');
    out.push_str(&scalar(flat));
    out.push('\n');
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(content) => text(content),
        other => other.to_string(),
    }
}

/// Bare where no reader could take it for anything but this text, else in double quotes with JSON's escapes, which YAML
/// shares.
fn text(content: &str) -> String {
    if is_plain(content) {
        return content.to_owned();
    }
    let mut out = String::new();
    for c in Value::from(content).to_string().chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            other => out.push(other),
        }
    }
    out
}

fn is_plain(content: &str) -> bool {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let mut bytes = content.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'/' | b'_'))
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_-./{}".contains(&byte))
        && !words.iter().any(|word| content.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_reads_as_people_write_it() {
        let value = json!({
            "openapi": "3.1.0",
            "paths": { "/api/posts/{id}": { "get": { "tags": ["posts", "no"], "empty": {}, "none": null } } },
            "list": [{ "$ref": "#/x", "name": "a b" }, [1, true], []],
            "text": "line\nnext: \u{85}",
        });
        insta::assert_snapshot!(write(&value), @r##"
        list:
          - "$ref": "#/x"
            name: "a b"
          - - 1
            - true
          - []
        openapi: "3.1.0"
        paths:
          /api/posts/{id}:
            get:
              empty: {}
              none: null
              tags:
                - posts
                - "no"
        text: "line\nnext: \u0085"
        "##);
    }

    #[test]
    fn a_scalar_alone_is_a_document() {
        assert_eq!(write(&json!("x")), "x\n");
        assert_eq!(write(&json!({})), "{}\n");
    }
}
