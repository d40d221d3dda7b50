//! Items as people write them: JSON without type tags.
//!
//! Text, numbers, true and false, null, lists and maps are themselves. Sets are shown as lists, and bytes as base64
//! text; going in, both come as what they look like, but a key attribute takes its type from the table. A number that
//! JSON readers would round is shown as text.

use crate::cli::failure::Failure;
use crate::cli::platform::TableKey;
use serde_json::{Map, Number, Value, json};

/// Why text is not taken as JSON.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// It is none.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A number has more digits than would be kept.
    #[error("the number {0} has more digits than JSON keeps here; write it as text if its digits count")]
    Rounded(String),
}

/// Reads JSON, but for numbers that would be rounded.
///
/// # Errors
/// [`NotTaken`].
pub fn read(text: &str) -> Result<Value, NotTaken> {
    let value = serde_json::from_str(text)?;
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = match first {
            b'"' => behind_text(behind),
            b'-' | b'0'..=b'9' => {
                let length = rest.iter().take_while(|byte| is_of_number(**byte)).count();
                let number = String::from_utf8_lossy(&rest[..length]);
                if !is_exact(&number) {
                    return Err(NotTaken::Rounded(number.into_owned()));
                }
                &rest[length..]
            }
            _ => behind,
        };
    }
    Ok(value)
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E')
}

/// What stands behind the closing quote of a text.
fn behind_text(mut rest: &[u8]) -> &[u8] {
    loop {
        rest = match rest {
            [] => return rest,
            [b'"', behind @ ..] => return behind,
            [b'\\', _, behind @ ..] | [_, behind @ ..] => behind,
        };
    }
}

/// Whether a number of JSON is kept digit by digit.
fn is_exact(text: &str) -> bool {
    if text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok() {
        return true;
    }
    let kept = text.parse::<f64>().ok().filter(|kept| kept.is_finite());
    kept.is_some_and(|kept| digits(&format!("{kept:e}")) == digits(text))
}

/// The digits of a number without zeros around them, and the power of ten of the last one.
fn digits(text: &str) -> Option<(String, i64)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{}{fraction}", whole.trim_start_matches(['-', '+']));
    let shown = all.trim_end_matches('0');
    let power = exponent.parse::<i64>().ok()? - fraction.len() as i64 + (all.len() - shown.len()) as i64;
    let shown = shown.trim_start_matches('0');
    Some((shown.to_owned(), if shown.is_empty() { 0 } else { power }))
}

/// A typed item of a plain one.
///
/// # Errors
/// When it is no object, or a key attribute is missing or cannot have the key's type.
pub fn typed_item(item: &Value, key: &TableKey) -> Result<Value, Failure> {
    let what = "cannot take the item";
    let Value::Object(fields) = item else {
        return Err(Failure::new(
            what,
            "an item is a JSON object, such as {\"id\": \"a\", \"n\": 1}",
        ));
    };
    for (name, _) in std::iter::once(&key.partition).chain(&key.sort) {
        if !fields.contains_key(name) {
            return Err(Failure::new(
                what,
                format!("it has no {name}, which is part of the table's key"),
            ));
        }
    }
    let mut typed_fields = Map::new();
    for (name, value) in fields {
        let value = match key.kind(name) {
            Some(kind) => key_value(name, kind, value)?,
            None => typed(value),
        };
        typed_fields.insert(name.clone(), value);
    }
    Ok(Value::Object(typed_fields))
}

/// A typed value of a plain one.
pub fn typed(value: &Value) -> Value {
    match value {
        Value::Null => json!({"NULL": true}),
        Value::Bool(value) => json!({"BOOL": value}),
        Value::Number(number) => json!({"N": number.to_string()}),
        Value::String(text) => json!({"S": text}),
        Value::Array(items) => json!({"L": items.iter().map(typed).collect::<Vec<_>>()}),
        Value::Object(fields) => {
            let fields: Map<String, Value> = fields
                .iter()
                .map(|(name, value)| (name.clone(), typed(value)))
                .collect();
            json!({"M": fields})
        }
    }
}

/// A key attribute's value, in the type that the table gives it.
pub fn key_value(name: &str, kind: &str, value: &Value) -> Result<Value, Failure> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => {
            return Err(Failure::new(
                format!("cannot use {other} for {name}"),
                format!("{name} is part of the table's key, which is text, a number or bytes"),
            ));
        }
    };
    Ok(json!({kind: text}))
}

/// A plain item of a typed one.
pub fn plain_item(item: &Value) -> Value {
    let fields = item.as_object().into_iter().flatten();
    Value::Object(fields.map(|(name, value)| (name.clone(), plain(value))).collect())
}

/// A plain value of a typed one.
fn plain(value: &Value) -> Value {
    let Some((kind, value)) = value.as_object().and_then(|fields| fields.iter().next()) else {
        return Value::Null;
    };
    let each = |plain: fn(&Value) -> Value| Value::Array(value.as_array().into_iter().flatten().map(plain).collect());
    match kind.as_str() {
        "N" => number(value),
        "NULL" => Value::Null,
        "L" => each(plain),
        "NS" => each(number),
        "M" => plain_item(value),
        _ => value.clone(),
    }
}

/// A number, if JSON keeps it exactly; else its text.
fn number(value: &Value) -> Value {
    let text = value.as_str().unwrap_or_default();
    let parsed: Option<Number> = serde_json::from_str(text).ok();
    match parsed {
        Some(number) if number.to_string() == text => Value::Number(number),
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> TableKey {
        TableKey {
            partition: ("id".to_owned(), "S".to_owned()),
            sort: Some(("at".to_owned(), "N".to_owned())),
        }
    }

    #[test]
    fn items_come_back_as_they_went_in() {
        let item = json!({
            "id": "a", "at": 5, "text": "x", "n": -1.5, "big": 12345678901234567890u64, "flag": true, "none": null,
            "list": [1, "b", {"c": []}], "map": {"d": {}},
        });
        assert_eq!(plain_item(&typed_item(&item, &key()).unwrap()), item);
    }

    #[test]
    fn numbers_are_kept_or_refused() {
        for kept in [
            "0",
            "-0.0",
            "1.50",
            "1e22",
            "12345678901234567890",
            "0.1",
            "-9007199254740993",
            "1E-5",
            "100000000000000000000000",
            r#"{"a\"1": "12345678901234567890123", "b": [1, 2.5e-3]}"#,
        ] {
            assert!(read(kept).is_ok(), "{kept}");
        }
        for lost in [
            "123456789012345678901",
            "[0.1234567890123456789]",
            "-1.00000000000000000001",
        ] {
            assert!(matches!(read(lost), Err(NotTaken::Rounded(_))), "{lost}");
        }
        for none in ["1e400", "{", "12a"] {
            assert!(read(none).is_err(), "{none}");
        }
    }

    #[test]
    fn keys_take_their_type_from_the_table() {
        let typed = typed_item(&json!({"id": 7, "at": "5"}), &key()).unwrap();
        assert_eq!(typed, json!({"id": {"S": "7"}, "at": {"N": "5"}}));
        for item in [json!({"id": "a"}), json!([1]), json!({"id": true, "at": 1})] {
            assert!(typed_item(&item, &key()).is_err(), "{item}");
        }
    }

    #[test]
    fn what_json_would_round_stays_text_and_sets_become_lists() {
        let digits = "12345678901234567890123456789012345678";
        let item = json!({"n": {"N": digits}, "ns": {"NS": ["1", "2.5"]}, "ss": {"SS": ["a"]}, "b": {"B": "AA=="}});
        assert_eq!(
            plain_item(&item),
            json!({"n": digits, "ns": [1, 2.5], "ss": ["a"], "b": "AA=="})
        );
    }
}
