//! The constraints of a model, with the words in which AWS says that one is violated.
//!
//! `1 validation error detected: Value 'x' at 'functionName' failed to satisfy constraint: Member must …`. Paths are
//! AWS's: the first letter in lower case, list items by `.N.member`, map values by `.key.member`.

use crate::model::{Kind, Member, Model, Shape};
use crate::value::Value;
use std::fmt::Write;

/// The most errors that are listed; more are only counted.
const MAX_LISTED: usize = 10;
/// The longest value that is quoted in full, in bytes; AWS quotes all, which a bounded response cannot.
const MAX_QUOTED: usize = 4096;

/// Checks `value` against the shape of `member` and all below it.
///
/// # Errors
/// The message of all violated constraints.
pub fn validate(model: &Model, member: &Member, value: &Value) -> Result<(), String> {
    let mut check = Check {
        model,
        found: Vec::new(),
        count: 0,
    };
    check.structure(member, value, "");
    match check.count {
        0 => Ok(()),
        count => {
            let noun = if count == 1 { "error" } else { "errors" };
            Err(format!(
                "{count} validation {noun} detected: {}",
                check.found.join("; ")
            ))
        }
    }
}

struct Check<'m> {
    model: &'m Model,
    found: Vec<String>,
    count: usize,
}

impl Check<'_> {
    fn report(&mut self, value: Option<&str>, path: &str, constraint: &str) {
        self.count += 1;
        if self.found.len() < MAX_LISTED {
            let value = value.map_or("Value".to_owned(), |value| format!("Value {value}"));
            self.found.push(format!(
                "{value} at '{path}' failed to satisfy constraint: {constraint}"
            ));
        }
    }

    fn structure(&mut self, member: &Member, value: &Value, path: &str) {
        let Some(structure) = self.model.structure(member) else {
            return;
        };
        for member in &structure.members {
            let value = value.get(&member.name).filter(|value| !value.is_null());
            match value {
                Some(value) => self.value(member, value, &below(path, &member.name)),
                None if member.required => {
                    self.report(Some("null"), &below(path, &member.name), "Member must not be null");
                }
                None => {}
            }
        }
    }

    fn value(&mut self, member: &Member, value: &Value, path: &str) {
        let shape = self.model.shape(member.shape);
        let violated = violations(shape, value);
        if !violated.is_empty() {
            let quoted = quote(self.model, shape, value);
            for constraint in violated {
                self.report(quoted.as_deref(), path, &constraint);
            }
        }
        match (&shape.kind, value) {
            (Kind::Structure(_), _) => self.structure(member, value, path),
            (Kind::List(item), Value::List(items)) => self.list(shape, item, items, value, path),
            (Kind::Map(key, item), Value::Map(entries)) => self.map(shape, key, item, entries, value, path),
            _ => {}
        }
    }

    /// Items that are structures are reported one by one, simple ones by their whole list.
    fn list(&mut self, shape: &Shape, item: &Member, items: &[Value], list: &Value, path: &str) {
        let item_shape = self.model.shape(item.shape);
        if is_simple(item_shape) {
            let broken = |value: &Value| {
                if value.is_null() {
                    !shape.sparse
                } else {
                    !violations(item_shape, value).is_empty()
                }
            };
            if items.iter().any(broken) {
                let constraints = all_constraints(item_shape, shape.sparse).join(", ");
                let quoted = quote(self.model, shape, list);
                self.report(
                    quoted.as_deref(),
                    path,
                    &format!("Member must satisfy constraint: [{constraints}]"),
                );
            }
            return;
        }
        for (at, value) in items.iter().enumerate() {
            let path = format!("{path}.{}.member", at + 1);
            match value {
                Value::Null if !shape.sparse => self.report(Some("null"), &path, "Member must not be null"),
                value => self.value(item, value, &path),
            }
        }
    }

    fn map(
        &mut self,
        shape: &Shape,
        key: &Member,
        item: &Member,
        entries: &[(String, Value)],
        map: &Value,
        path: &str,
    ) {
        let key_shape = self.model.shape(key.shape);
        if entries
            .iter()
            .any(|(key, _)| !violations(key_shape, &Value::String(key.clone())).is_empty())
        {
            let constraints = all_constraints(key_shape, true).join(", ");
            let quoted = quote(self.model, shape, map);
            self.report(
                quoted.as_deref(),
                path,
                &format!("Map keys must satisfy constraint: [{constraints}]"),
            );
        }
        let item_shape = self.model.shape(item.shape);
        if is_simple(item_shape) {
            let broken = |value: &Value| {
                if value.is_null() {
                    !shape.sparse
                } else {
                    !violations(item_shape, value).is_empty()
                }
            };
            if entries.iter().any(|(_, value)| broken(value)) {
                let constraints = all_constraints(item_shape, shape.sparse).join(", ");
                let quoted = quote(self.model, shape, map);
                self.report(
                    quoted.as_deref(),
                    path,
                    &format!("Map value must satisfy constraint: [{constraints}]"),
                );
            }
            return;
        }
        for (name, value) in entries {
            let path = format!("{path}.{name}.member");
            match value {
                Value::Null if !shape.sparse => self.report(Some("null"), &path, "Member must not be null"),
                value => self.value(item, value, &path),
            }
        }
    }
}

fn below(path: &str, name: &str) -> String {
    let mut letters = name.chars();
    let name: String = letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default();
    if path.is_empty() {
        name
    } else {
        format!("{path}.{name}")
    }
}

fn is_simple(shape: &Shape) -> bool {
    !matches!(
        shape.kind,
        Kind::Structure(_) | Kind::List(_) | Kind::Map(..) | Kind::Document
    )
}

/// The constraints that `value` itself breaks, in AWS's order.
fn violations(shape: &Shape, value: &Value) -> Vec<String> {
    let mut out = Vec::new();
    let size = match (&shape.kind, value) {
        // A pattern or a number has no bound on a document's size.
        (Kind::String, Value::String(text)) => Some(text.chars().count()),
        (Kind::Blob, Value::Blob(bytes)) => Some(bytes.len()),
        (Kind::List(_), Value::List(items)) => Some(items.len()),
        (Kind::Map(..), Value::Map(entries)) => Some(entries.len()),
        _ => None,
    };
    if let (Value::String(text), Some(pattern)) = (value, &shape.pattern)
        && !pattern.matches(text)
    {
        out.push(pattern_words(pattern.source()));
    }
    let number = match value {
        Value::Integer(number) if matches!(shape.kind, Kind::Integer(..) | Kind::Float | Kind::Double) => {
            Some(*number as f64)
        }
        Value::Float(number) => Some(*number),
        _ => None,
    };
    if let Some(size) = size {
        // Counts are far below 2^53, where the conversion is exact.
        let size = size as f64;
        out.extend(
            shape
                .max
                .filter(|max| size > *max)
                .map(|max| length_words("less than or equal to", max)),
        );
        out.extend(
            shape
                .min
                .filter(|min| size < *min)
                .map(|min| length_words("greater than or equal to", min)),
        );
    }
    if let Some(number) = number {
        let whole = matches!(shape.kind, Kind::Integer(..));
        out.extend(
            shape
                .max
                .filter(|max| number > *max)
                .map(|max| value_words("less than or equal to", max, whole)),
        );
        out.extend(
            shape
                .min
                .filter(|min| number < *min)
                .map(|min| value_words("greater than or equal to", min, whole)),
        );
    }
    if let Value::String(text) = value
        && !shape.enumeration.is_empty()
        && !shape.enumeration.contains(text)
    {
        out.push(enum_words(shape));
    }
    out
}

/// All constraints of a simple shape, as AWS lists them for the items of a list or the keys and values of a map.
fn all_constraints(shape: &Shape, nullable: bool) -> Vec<String> {
    let mut out = Vec::new();
    let sized = matches!(shape.kind, Kind::String | Kind::Blob);
    let whole = matches!(shape.kind, Kind::Integer(..));
    for (bound, side) in [
        (shape.max, "less than or equal to"),
        (shape.min, "greater than or equal to"),
    ] {
        out.extend(bound.map(|bound| {
            if sized {
                length_words(side, bound)
            } else {
                value_words(side, bound, whole)
            }
        }));
    }
    out.extend(shape.pattern.as_ref().map(|pattern| pattern_words(pattern.source())));
    if !shape.enumeration.is_empty() {
        out.push(enum_words(shape));
    }
    if !nullable {
        out.push("Member must not be null".into());
    }
    out
}

fn pattern_words(pattern: &str) -> String {
    format!("Member must satisfy regular expression pattern: {pattern}")
}

fn enum_words(shape: &Shape) -> String {
    format!("Member must satisfy enum value set: [{}]", shape.enumeration.join(", "))
}

fn length_words(side: &str, bound: f64) -> String {
    format!("Member must have length {side} {bound}")
}

fn value_words(side: &str, bound: f64, whole: bool) -> String {
    if whole {
        format!("Member must have value {side} {bound}")
    } else {
        format!("Member must have value {side} {bound:?}")
    }
}

/// The value as AWS quotes it, or nothing for a secret or a blob.
fn quote(model: &Model, shape: &Shape, value: &Value) -> Option<String> {
    if shape.sensitive || matches!(value, Value::Blob(_)) {
        return None;
    }
    let mut text = String::new();
    print(model, shape, value, &mut text);
    if text.len() > MAX_QUOTED {
        let end = (0..=MAX_QUOTED)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    Some(format!("'{text}'"))
}

/// As Java's `toString` prints collections and model classes.
fn print(model: &Model, shape: &Shape, value: &Value, out: &mut String) {
    if out.len() > MAX_QUOTED {
        return;
    }
    let separate = |at: usize, out: &mut String| out.push_str(if at > 0 { ", " } else { "" });
    match (&shape.kind, value) {
        _ if shape.sensitive => out.push_str("***Sensitive Data Redacted***"),
        (Kind::List(item), Value::List(items)) => {
            out.push('[');
            for (at, value) in items.iter().enumerate() {
                separate(at, out);
                print(model, model.shape(item.shape), value, out);
            }
            out.push(']');
        }
        (Kind::Map(_, item), Value::Map(entries)) => {
            out.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                separate(at, out);
                out.push_str(key);
                out.push('=');
                print(model, model.shape(item.shape), value, out);
            }
            out.push('}');
        }
        (Kind::Structure(structure), Value::Map(_)) => {
            out.push_str(&shape.name);
            out.push('(');
            for (at, member) in structure.members.iter().enumerate() {
                separate(at, out);
                out.push_str(&below("", &member.name));
                out.push('=');
                print(
                    model,
                    model.shape(member.shape),
                    value.get(&member.name).unwrap_or(&Value::Null),
                    out,
                );
            }
            out.push(')');
        }
        (_, Value::String(text)) => out.push_str(text),
        (_, Value::Null) => out.push_str("null"),
        (_, Value::Blob(_)) => out.push_str("java.nio.HeapByteBuffer"),
        // Writing to a string cannot fail, so the results are dropped.
        (_, Value::Bool(value)) => drop(write!(out, "{value}")),
        (_, Value::Integer(number)) => drop(write!(out, "{number}")),
        (_, Value::Float(number)) => drop(write!(out, "{number:?}")),
        (_, Value::List(_) | Value::Map(_)) => {}
    }
}

#[cfg(test)]
mod tests;
