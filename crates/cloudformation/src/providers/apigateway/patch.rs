//! API Gateway changes things by patches: from the old properties to the new ones.

use crate::providers::Work;
use crate::template::parameters::text_of;
use serde_json::{Value, json};

/// A path of a patch, where `/` and `~` in a name are written otherwise. Source: RFC 6901.
pub(super) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn op(op: &str, path: &str, value: Option<String>) -> Value {
    match value {
        Some(value) => json!({ "op": op, "path": path, "value": value }),
        None => json!({ "op": op, "path": path }),
    }
}

/// Patches that replace what has changed: property → path.
pub(super) fn plain(work: &Work<'_>, properties: &[(&str, &str)]) -> Vec<Value> {
    let changed = properties.iter().filter(|(property, _)| work.changes(property));
    changed
        .map(|(property, path)| match work.get(property) {
            Value::Null => op("replace", path, Some(String::new())),
            value => op("replace", path, Some(text_of(value))),
        })
        .collect()
}

/// Patches of a map of texts below `path`.
pub(super) fn map(old: &Value, new: &Value, path: &str) -> Vec<Value> {
    let empty = serde_json::Map::new();
    let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    let at = |key: &str| format!("{path}/{}", escape(key));
    let set = new.iter().filter(|(key, value)| old.get(*key) != Some(value));
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    set.map(|(key, value)| op("replace", &at(key), Some(text_of(value))))
        .chain(gone.map(|key| op("remove", &at(key), None)))
        .collect()
}

/// Patches of a list of texts, whose members are paths.
pub(super) fn list(old: &Value, new: &Value, path: &str) -> Vec<Value> {
    let texts = |value: &Value| -> Vec<String> { value.as_array().into_iter().flatten().map(text_of).collect() };
    let (old, new) = (texts(old), texts(new));
    let at = |one: &String| format!("{path}/{}", escape(one));
    let added = new
        .iter()
        .filter(|one| !old.contains(one))
        .map(|one| op("add", &at(one), None));
    added
        .chain(
            old.iter()
                .filter(|one| !new.contains(one))
                .map(|one| op("remove", &at(one), None)),
        )
        .collect()
}
