//! What has to happen to a resource so that it becomes what is wanted.

use crate::providers::{self, Provider};
use crate::records::{Policy, State, Tag};
use crate::template::{Resource as Declared, TemplateError};
use serde_json::Value;
use std::collections::BTreeSet;

/// What has to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    Nothing,
    Create,
    Update,
    /// A new one is made and takes the old one's place.
    Replace,
}

/// The properties that differ, by name.
pub(crate) fn changed(old: &Value, new: &Value) -> BTreeSet<String> {
    let empty = serde_json::Map::new();
    let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    let names = old.keys().chain(new.keys());
    names
        .filter(|name| !same(old.get(*name), new.get(*name)))
        .cloned()
        .collect()
}

/// Whether two values mean the same: a template may write a number as text.
fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    let scalar = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    };
    match (a, b) {
        (None, None) => true,
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(Some(a), Some(b)))
        }
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            a.len() == b.len() && a.iter().all(|(key, value)| same(Some(value), b.get(key)))
        }
        (Some(a), Some(b)) => match (scalar(a), scalar(b)) {
            (Some(a), Some(b)) => a == b,
            _ => a == b,
        },
        _ => false,
    }
}

/// Compares what is there with what is wanted.
pub(crate) fn plan(provider: &dyn Provider, old: Option<&State>, kind: &str, properties: &Value, tags: &[Tag]) -> Plan {
    let Some(old) = old else { return Plan::Create };
    if old.kind != kind {
        return Plan::Replace;
    }
    let changed = changed(&old.properties, properties);
    if changed.iter().any(|name| provider.replaces(name)) {
        return Plan::Replace;
    }
    let has_other_tags = provider.takes_tags() && old.tags != tags;
    if changed.is_empty() && !has_other_tags && !provider.always_updates() {
        return Plan::Nothing;
    }
    Plan::Update
}

/// What the policies of a declaration say; `value` computes functions in them.
pub(crate) fn policies(
    declared: &Declared,
    value: &dyn Fn(&Value) -> Result<Option<Value>, TemplateError>,
) -> Result<(Policy, Policy), TemplateError> {
    let provider = providers::find(&declared.kind);
    let unsaid = provider.map_or(Policy::Delete, |provider| provider.unsaid_policy(&declared.properties));
    let read = |policy: &Option<Value>, what: &str| match policy {
        None => Ok(unsaid),
        Some(policy) => match value(policy)?.as_ref().and_then(Value::as_str) {
            Some("Delete") => Ok(Policy::Delete),
            Some("Retain") => Ok(Policy::Retain),
            Some("RetainExceptOnCreate") => Ok(Policy::RetainExceptOnCreate),
            Some("Snapshot") if provider.is_some_and(|provider| provider.takes_snapshots()) => Ok(Policy::Snapshot),
            Some("Snapshot") => Err(TemplateError::error(format!(
                "resource type {} does not support {what} policy Snapshot",
                declared.kind
            ))),
            None => Ok(unsaid),
            Some(other) => Err(TemplateError::format(format!("Unrecognized DeletionPolicy {other}"))),
        },
    };
    Ok((
        read(&declared.deletion_policy, "deletion")?,
        read(&declared.update_replace_policy, "update replace")?,
    ))
}

/// The provider of a type.
pub(crate) fn provider(kind: &str) -> Result<&'static dyn Provider, String> {
    providers::find(kind).ok_or_else(|| providers::unknown(&[kind]))
}
