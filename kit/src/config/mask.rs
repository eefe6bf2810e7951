//! What must not be shown.

use toml::Value;

const HIDDEN: &str = "********";

/// The value as TOML, without what is secret in it.
pub(super) fn shown(value: &Value, secret: bool) -> String {
    let is_empty = value.as_str().is_some_and(str::is_empty);
    if secret && !is_empty {
        return HIDDEN.to_owned();
    }
    masked(value).to_string()
}

fn masked(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(url(text)),
        Value::Array(items) => Value::Array(items.iter().map(masked).collect()),
        Value::Table(table) => {
            Value::Table(table.iter().map(|(k, v)| (k.clone(), masked(v))).collect())
        }
        other => other.clone(),
    }
}

/// `scheme://user:password@host` without the password. The last `@` before the path ends it, as a password that was
/// not escaped may hold one.
fn url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // an unescaped password may hold a slash too: then the user part goes on to the last @ of all
    let at = rest[..end].rfind('@').or_else(|| {
        if rest[..end].contains(':') {
            rest.rfind('@')
        } else {
            None
        }
    });
    let Some(at) = at else { return text.to_owned() };
    match rest[..at].split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:{HIDDEN}{}", &rest[at..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown_text(text: &str) -> String {
        shown(&Value::String(text.to_owned()), false)
    }

    #[test]
    fn the_password_of_a_url_is_hidden() {
        assert_eq!(
            shown_text("postgres://u:geheim@db/x"),
            "\"postgres://u:********@db/x\""
        );
        assert_eq!(
            shown_text("postgres://u:ge@h/eim@db/x"),
            "\"postgres://u:********@db/x\""
        );
        assert_eq!(
            shown_text("redis://:geheim@cache:6379/0"),
            "\"redis://:********@cache:6379/0\""
        );
    }

    #[test]
    fn a_url_without_a_password_is_shown_whole() {
        for url in [
            "sqlite:auth.db",
            "http://auth:5000/a@b",
            "postgres://u@db/x",
            "https://a.test/?mail=a@b.test",
        ] {
            assert_eq!(shown_text(url), format!("\"{url}\""));
        }
    }

    #[test]
    fn an_empty_secret_is_shown_as_empty() {
        assert_eq!(shown(&Value::String(String::new()), true), "\"\"");
        assert_eq!(shown(&Value::String("x".to_owned()), true), HIDDEN);
    }
}
