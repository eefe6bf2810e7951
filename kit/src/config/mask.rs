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

/// `scheme://user:password@host` without the password, also without one in the query. A password that was not escaped
/// may hold any of `@/?#`, so everything up to the last `@` is hidden: rather too much than a part of it.
fn url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    match password(rest) {
        Some((user, host)) => format!("{scheme}://{user}:{HIDDEN}@{}", query(host)),
        None => format!("{scheme}://{}", query(rest)),
    }
}

/// The user before the password and what follows it.
fn password(rest: &str) -> Option<(&str, &str)> {
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let (user, after) = authority.split_once(':')?;
    let is_host_and_port = !authority.contains('@') && after.bytes().all(|b| b.is_ascii_digit());
    if user.contains('@') || is_host_and_port {
        return None;
    }
    Some((user, rest.rsplit_once('@')?.1))
}

fn query(rest: &str) -> String {
    match rest.split_once("password=") {
        Some((before, after)) => {
            let end = after.find('&').unwrap_or(after.len());
            format!("{before}password={HIDDEN}{}", &after[end..])
        }
        None => rest.to_owned(),
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
            "postgres://u@db:5432/x",
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
