//! Equality of what two texts mean.

use crate::value::Value;
use serde_json::Value as Json;

/// Without nulls, maps sorted, NaN made comparable.
pub(super) fn canonical(value: &Value) -> Value {
    match value {
        Value::Map(entries) => {
            let mut entries: Vec<(String, Value)> = entries
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), canonical(value)))
                .collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Map(entries)
        }
        Value::List(items) => Value::List(items.iter().map(canonical).collect()),
        Value::Float(number) if number.is_nan() => Value::String("NaN".into()),
        other => other.clone(),
    }
}

/// JSON whose numbers are equal when their values are.
pub(super) fn canonical_json(json: &Json) -> Json {
    match json {
        Json::Number(number) => number
            .as_f64()
            .map_or_else(|| json.clone(), |number| serde_json::json!(number)),
        Json::Array(items) => Json::Array(items.iter().map(canonical_json).collect()),
        Json::Object(map) => {
            let mut entries: Vec<_> = map
                .iter()
                .map(|(key, value)| (key.clone(), canonical_json(value)))
                .collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(entries.into_iter().collect())
        }
        other => other.clone(),
    }
}
