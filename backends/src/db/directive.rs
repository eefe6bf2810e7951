//! The two things SQL has no common text for, expanded per database when migrations are run.
//!
//! - A line `-- append_only: <table> [once <column> is set]` in a migration becomes triggers that refuse UPDATE and
//!   DELETE (and TRUNCATE on PostgreSQL). With `once`, a row may still be updated while its column is null, never deleted.
//! - The column type `IDENTITY_KEY` becomes a number the database gives, rising, never given twice. Backends' own tables
//!   only: services fill integer keys from a `counters` table (README, trap 19).

use std::fmt::Write;

use super::{Error, Kind};

const IDENTITY: &str = "IDENTITY_KEY";

/// The text of a migration for one database. Directive lines stay where they are (they are comments); the triggers are
/// appended, since a table may be made anywhere in the file.
pub(super) fn expand(sql: &str, kind: Kind) -> Result<String, Error> {
    let identity = match kind {
        Kind::Sqlite => "INTEGER PRIMARY KEY AUTOINCREMENT",
        Kind::Postgres => "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    };
    let mut text = sql.replace(IDENTITY, identity);
    for line in sql.lines() {
        let Some(directive) = line
            .trim()
            .strip_prefix("--")
            .map(str::trim)
            .and_then(|line| line.strip_prefix("append_only:"))
        else {
            continue;
        };
        let (table, once) = parse(directive).ok_or_else(|| {
            Error::Configuration(format!(
                "cannot read the directive `append_only:{directive}`; write `-- append_only: <table> [once <column> is set]`"
            ))
        })?;
        let triggers = match kind {
            Kind::Sqlite => sqlite(table, once),
            Kind::Postgres => postgres(table, once),
        };
        write!(text, "\n{triggers}").map_err(|error| Error::Other(error.into()))?;
    }
    Ok(text)
}

fn parse(directive: &str) -> Option<(&str, Option<&str>)> {
    let words: Vec<&str> = directive.split_whitespace().collect();
    let (table, once) = match words.as_slice() {
        [table] => (*table, None),
        [table, "once", column, "is", "set"] => (*table, Some(*column)),
        _ => return None,
    };
    (is_name(table) && once.is_none_or(is_name)).then_some((table, once))
}

fn is_name(word: &str) -> bool {
    let rest_ok = word
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    rest_ok && word.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
}

fn sqlite(table: &str, once: Option<&str>) -> String {
    let when = once
        .map(|column| format!(" WHEN OLD.{column} IS NOT NULL"))
        .unwrap_or_default();
    format!(
        "CREATE TRIGGER {table}_append_only_update BEFORE UPDATE ON {table}{when} \
         BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END;\n\
         CREATE TRIGGER {table}_append_only_delete BEFORE DELETE ON {table} \
         BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END;\n"
    )
}

fn postgres(table: &str, once: Option<&str>) -> String {
    let when = once
        .map(|column| format!(" WHEN (OLD.{column} IS NOT NULL)"))
        .unwrap_or_default();
    format!(
        "CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS $append_only$ \
         BEGIN RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'restrict_violation'; END $append_only$;\n\
         CREATE TRIGGER {table}_append_only_update BEFORE UPDATE ON {table} FOR EACH ROW{when} \
         EXECUTE FUNCTION {table}_append_only();\n\
         CREATE TRIGGER {table}_append_only_delete BEFORE DELETE ON {table} FOR EACH ROW \
         EXECUTE FUNCTION {table}_append_only();\n\
         CREATE TRIGGER {table}_append_only_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT \
         EXECUTE FUNCTION {table}_append_only();\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_that_cannot_be_read_is_an_error_and_never_ignored() {
        for bad in [
            "-- append_only:",
            "-- append_only: a b",
            "-- append_only: a once b",
            "--append_only: a;drop",
            "-- append_only: a once B is set",
        ] {
            assert!(
                matches!(expand(bad, Kind::Sqlite), Err(Error::Configuration(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn text_without_a_directive_is_left_alone() {
        let sql = "CREATE TABLE a (b TEXT); -- about append_only tables\n";
        assert_eq!(expand(sql, Kind::Postgres).unwrap(), sql);
    }
}
