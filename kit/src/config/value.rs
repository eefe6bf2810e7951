//! Values of the environment, read as the type of their default.

use toml::Value;

/// Reads `text` as the type that `default` has.
pub(super) fn parse(text: &str, default: &Value) -> Result<Value, String> {
    let text = text.trim();
    match default {
        Value::String(_) => Ok(Value::String(text.to_owned())),
        Value::Integer(_) => text
            .replace('_', "")
            .parse()
            .map(Value::Integer)
            .map_err(|_| format!("`{text}` is not a whole number")),
        Value::Float(_) => text
            .parse()
            .map(Value::Float)
            .map_err(|_| format!("`{text}` is not a number")),
        Value::Boolean(_) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Value::Boolean(true)),
            "false" | "no" | "off" | "0" => Ok(Value::Boolean(false)),
            _ => Err(format!("`{text}` is neither true nor false")),
        },
        Value::Array(items) => list(text, items.first()),
        Value::Table(_) => Err("is a table and can be set in the file only".to_owned()),
        Value::Datetime(_) => text
            .parse()
            .map(Value::Datetime)
            .map_err(|_| format!("`{text}` is not a date")),
    }
}

/// Items separated by commas, of the type of the default's first item.
fn list(text: &str, first: Option<&Value>) -> Result<Value, String> {
    let like = first.cloned().unwrap_or(Value::String(String::new()));
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    items
        .map(|item| parse(item, &like))
        .collect::<Result<_, _>>()
        .map(Value::Array)
}

/// What a value is called in an error.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// Whether a value of the file may stand where `default` stands.
pub(super) fn fits(value: &Value, default: &Value) -> bool {
    matches!((value, default), (Value::Integer(_), Value::Float(_))) || value.same_type(default)
}
