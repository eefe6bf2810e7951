//! What clients keep for a person.

use kit::FieldErrors;
use serde_json::{Map, Value};

use crate::error::Error;

/// Most bytes of the object, written without blanks.
pub const BYTES_MAX: usize = 16 * 1024;
/// How many objects and lists may stand inside one another, the outermost counted.
pub const DEPTH_MAX: usize = 16;

/// An object, or a text that holds one: clients of the 004 system send a text.
///
/// # Errors
/// [`Error::TooDeep`]; everything else is added to `errors`.
pub fn preferences(
    given: Value,
    errors: &mut FieldErrors,
) -> Result<Option<Map<String, Value>>, Error> {
    let value = match given {
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        value => value,
    };
    let Value::Object(object) = value else {
        errors.add("preferences", "must be an object, or a text that holds one");
        return Ok(None);
    };
    if object
        .values()
        .any(|value| deeper_than(value, DEPTH_MAX - 1))
    {
        return Err(Error::TooDeep);
    }
    if object
        .iter()
        .any(|(key, value)| key.contains('\0') || holds_nul(value))
    {
        errors.add("preferences", "must not contain the character U+0000");
    }
    let written = serde_json::to_vec(&object).map_err(kit::Problem::internal)?;
    if written.len() > BYTES_MAX {
        errors.add("preferences", format!("must be at most {BYTES_MAX} bytes"));
    }
    Ok(Some(object))
}

/// Whether there are more than `levels` lists and objects inside one another.
fn deeper_than(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => {
            levels == 0 || items.iter().any(|item| deeper_than(item, levels - 1))
        }
        Value::Object(members) => {
            levels == 0 || members.values().any(|item| deeper_than(item, levels - 1))
        }
        _ => false,
    }
}

/// PostgreSQL keeps every text but this one.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(members) => members
            .iter()
            .any(|(key, value)| key.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nested(depth: usize) -> Value {
        (1..depth).fold(json!({}), |inner, i| {
            if i % 2 == 0 {
                json!([inner])
            } else {
                json!({ "x": inner })
            }
        })
    }

    fn object(depth: usize) -> Value {
        json!({ "x": nested(depth - 1) })
    }

    #[test]
    fn an_object_comes_as_itself_or_as_a_text_that_holds_it() {
        for given in [json!({"a": [1, null]}), json!(" {\"a\": [1, null]} ")] {
            let mut errors = FieldErrors::default();
            let kept = preferences(given, &mut errors).unwrap();
            assert_eq!(kept.map(Value::Object), Some(json!({"a": [1, null]})));
            assert!(errors.names().is_empty());
        }
        let mut errors = FieldErrors::default();
        assert_eq!(preferences(json!(" "), &mut errors).unwrap(), None);
        assert!(errors.names().is_empty());
    }

    #[test]
    fn what_is_no_object_holds_a_nul_or_is_too_large_is_refused() {
        for given in [
            json!([]),
            json!(7),
            json!(true),
            json!("dark"),
            json!("[1]"),
            json!("\"{}\""),
            json!("{\"a\":\"\\ud800\"}"),
            json!({"a": "x\u{0}"}),
            json!({"a": [{"b\u{0}": 1}]}),
            json!({"a": "x".repeat(BYTES_MAX - 7)}),
        ] {
            let mut errors = FieldErrors::default();
            preferences(given.clone(), &mut errors).unwrap();
            assert_eq!(errors.names(), ["preferences"], "{given}");
        }
        let mut errors = FieldErrors::default();
        let largest = json!({"a": "x".repeat(BYTES_MAX - 8)});
        assert!(preferences(largest, &mut errors).unwrap().is_some());
        assert!(errors.names().is_empty());
    }

    #[test]
    fn sixteen_levels_are_kept_and_seventeen_are_not() {
        let mut errors = FieldErrors::default();
        for given in [object(16), json!(object(16).to_string())] {
            assert!(preferences(given, &mut errors).is_ok());
        }
        for given in [object(17), json!(object(17).to_string()), object(100)] {
            assert!(matches!(
                preferences(given, &mut errors),
                Err(Error::TooDeep)
            ));
        }
        assert!(errors.names().is_empty());
    }
}
