//! `patchOperations`: AWS's dialect of JSON Patch, over tables of what may be changed.
//!
//! Each resource has a table of [`Rule`]s. A record is turned into JSON, the operations are applied one after another,
//! and the result is a record again; so an operation that fails leaves nothing changed. Source:
//! <https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html>.

use crate::Error;
use crate::shapes::PatchOperation;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Operations that one request may bring; the model gives no bound.
const MAX_OPERATIONS: usize = 300;

/// What a member holds, and so how a value's text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    Text,
    /// AWS takes every text but `true` for false.
    Bool,
    Int,
    Float,
    /// A list of texts whose items are named by the last segment (`/binaryMediaTypes/image~1png`), or by the value when
    /// the path ends before them.
    Set,
}

/// One place that may be changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// Such as `/description`; a segment `*` stands for the key of a map.
    pub path: &'static str,
    /// Where it lies in the record's JSON, with `*` for the same key.
    pub member: &'static str,
    pub holds: Holds,
    /// The operations it takes, of `add`, `replace`, `remove`.
    pub ops: &'static [&'static str],
}

impl Rule {
    /// The same rule for a member of another name.
    pub(crate) const fn member(mut self, member: &'static str) -> Self {
        self.member = member;
        self
    }
}

/// A rule whose member has the path's own name.
pub(crate) const fn rule(path: &'static str, holds: Holds, ops: &'static [&'static str]) -> Rule {
    Rule {
        path,
        member: path,
        holds,
        ops,
    }
}

pub(crate) const REPLACE: &[&str] = &["replace"];
pub(crate) const ADD_REMOVE: &[&str] = &["add", "remove"];
pub(crate) const ANY: &[&str] = &["add", "replace", "remove"];

/// How a resource's refusals are worded: AWS has two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    /// `Invalid patch path /x`.
    Short,
    /// `Invalid patch path  '/x' specified for op 'replace'. Must be one of: [/a, /b]`.
    Listing,
}

/// A patch path taken apart, with `~1` and `~0` decoded.
pub(crate) fn segments(path: &str) -> Vec<String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split('/')
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect()
}

/// Applies `operations` to `record`.
pub(crate) fn apply<T: Serialize + DeserializeOwned>(
    record: &T,
    operations: Option<&[PatchOperation]>,
    rules: &[Rule],
    words: Words,
) -> Result<T, Error> {
    let operations = operations.unwrap_or_default();
    if operations.len() > MAX_OPERATIONS {
        return Err(Error::bad("Too many patch operations specified."));
    }
    let mut value = serde_json::to_value(record)?;
    for operation in operations {
        one(&mut value, operation, rules, words)?;
    }
    serde_json::from_value(value).map_err(|error| Error::bad(format!("Invalid value specified: {error}")))
}

/// The operation's path, which must be there.
pub(crate) fn path(operation: &PatchOperation) -> Result<&str, Error> {
    operation
        .path
        .as_deref()
        .ok_or_else(|| Error::bad("Invalid patch path null"))
}

pub(crate) fn op(operation: &PatchOperation) -> &str {
    operation.op.as_deref().unwrap_or_default()
}

fn one(record: &mut Value, operation: &PatchOperation, rules: &[Rule], words: Words) -> Result<(), Error> {
    let (text, op) = (path(operation)?, op(operation));
    let parts = segments(text);
    let Some((rule, key)) = rules.iter().find_map(|rule| Some((rule, fits(rule, &parts)?))) else {
        return Err(unknown(text, op, rules, words));
    };
    if !rule.ops.contains(&op) {
        return Err(match words {
            Words::Short => Error::bad(format!(
                "Invalid patch operation specified. Must be one of: [{}]",
                rule.ops.join(", ")
            )),
            Words::Listing => unknown(text, op, rules, words),
        });
    }
    let mut members: Vec<String> = segments(rule.member);
    for member in &mut members {
        if member == "*" {
            *member = key.clone().unwrap_or_default();
        }
    }
    let Some((last, parents)) = members.split_last() else {
        return Err(unknown(text, op, rules, words));
    };
    let mut at = record;
    for parent in parents {
        at = object(at)
            .entry(parent.clone())
            .or_insert_with(|| Value::Object(Map::new()));
    }
    let at = object(at);
    let value = operation.value.as_deref();
    if rule.holds == Holds::Set {
        return change_set(at, last, key.as_deref(), op, value);
    }
    match op {
        "remove" => {
            let gone = at.shift_remove(last);
            if gone.is_none() && rule.member.contains('*') {
                return Err(no_such_key(rule));
            }
        }
        _ => {
            if op == "replace" && rule.member.contains('*') && !at.contains_key(last) && rule.ops == ANY_STRICT {
                return Err(no_such_key(rule));
            }
            if value.is_none() && rule.holds == Holds::Text && rule.member.contains('*') {
                let map = parents.first().map_or("value", String::as_str);
                return Err(Error::bad(format!("Invalid null or empty value in {map}")));
            }
            at.insert(last.clone(), read(rule.holds, value, text)?);
        }
    }
    Ok(())
}

/// [`ANY`] for maps whose entries must be there to be replaced.
pub(crate) const ANY_STRICT: &[&str] = &["add", "remove", "replace"];

fn no_such_key(rule: &Rule) -> Error {
    Error::missing(if rule.member.contains("arameters") {
        "Invalid parameter name specified"
    } else {
        "Content-Type specified was not found"
    })
}

fn change_set(
    at: &mut Map<String, Value>,
    name: &str,
    key: Option<&str>,
    op: &str,
    value: Option<&str>,
) -> Result<(), Error> {
    let list = at.entry(name).or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(items) = list else {
        return Err(Error::internal("a set is no list"));
    };
    let wanted = key.or(value).unwrap_or_default();
    let place = items.iter().position(|item| item.as_str() == Some(wanted));
    match (op, place) {
        ("remove", Some(place)) => {
            items.remove(place);
        }
        // What replaces comes last.
        ("replace", Some(place)) => {
            items.remove(place);
            items.push(Value::from(value.unwrap_or_default()));
        }
        ("replace", None) if items.len() == 1 && key.is_some_and(|key| key.parse::<usize>().is_ok()) => {
            items[0] = Value::from(value.unwrap_or_default());
        }
        ("add", None) => items.push(Value::from(wanted)),
        _ => {}
    }
    if items.is_empty() {
        at.shift_remove(name);
    }
    Ok(())
}

fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        // Made one above.
        _ => unreachable!("a value that was just made an object"),
    }
}

/// The key that `*` stands for, inside `Some` when the rule fits.
fn fits(rule: &Rule, parts: &[String]) -> Option<Option<String>> {
    let pattern = rule.path.strip_prefix('/').unwrap_or(rule.path);
    let mut key = None;
    let mut count = 0;
    for (expected, part) in pattern.split('/').zip(parts) {
        count += 1;
        if expected == "*" {
            if part.is_empty() {
                return None;
            }
            key = Some(part.clone());
        } else if expected != part {
            return None;
        }
    }
    (count == parts.len() && pattern.split('/').count() == count).then_some(key)
}

fn unknown(path: &str, op: &str, rules: &[Rule], words: Words) -> Error {
    if words == Words::Short {
        return Error::bad(format!("Invalid patch path {path}"));
    }
    let known: Vec<&str> = rules
        .iter()
        .filter(|rule| rule.ops.contains(&op))
        .map(|rule| rule.path)
        .collect();
    if known.is_empty() {
        return Error::bad(format!(
            "Invalid patch path  '{path}' specified for op '{op}'. Please choose supported operations"
        ));
    }
    Error::bad(format!(
        "Invalid patch path  '{path}' specified for op '{op}'. Must be one of: [{}]",
        known.join(", ")
    ))
}

fn read(holds: Holds, value: Option<&str>, path: &str) -> Result<Value, Error> {
    let wrong = || Error::bad(format!("Invalid value specified for path {path}"));
    Ok(match holds {
        Holds::Text | Holds::Set => value.map_or(Value::Null, Value::from),
        Holds::Bool => Value::Bool(value.is_some_and(|text| text.eq_ignore_ascii_case("true"))),
        Holds::Int => match value {
            None | Some("") => Value::Null,
            Some(text) => Value::from(text.trim().parse::<i32>().map_err(|_| wrong())?),
        },
        Holds::Float => match value {
            None | Some("") => Value::Null,
            Some(text) => {
                let number: f64 = text.trim().parse().map_err(|_| wrong())?;
                Value::from(Some(number).filter(|number| number.is_finite()).ok_or_else(wrong)?)
            }
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::{Model, RestApi};

    fn operation(op: &str, path: &str, value: Option<&str>) -> PatchOperation {
        PatchOperation {
            op: Some(op.into()),
            path: Some(path.into()),
            value: value.map(Into::into),
            from: None,
        }
    }

    #[test]
    fn sets_maps_and_members_change() {
        let rules = [
            rule("/description", Holds::Text, &["replace", "remove"]),
            rule("/binaryMediaTypes/*", Holds::Set, ANY).member("/binaryMediaTypes"),
        ];
        let operations = [
            operation("add", "/binaryMediaTypes/image~1png", None),
            operation("add", "/binaryMediaTypes/image~1jpeg", None),
            operation("replace", "/binaryMediaTypes/image~1png", Some("image/gif")),
            operation("replace", "/description", Some("d")),
        ];
        let api = apply(&RestApi::default(), Some(&operations), &rules, Words::Short).unwrap();
        assert_eq!(
            api.binary_media_types.unwrap(),
            ["image/jpeg", "image/gif"],
            "what replaces comes last"
        );
        assert_eq!(api.description.unwrap(), "d");
    }

    #[test]
    fn refusals_are_worded_as_aws_words_them() {
        let rules = [
            rule("/description", Holds::Text, REPLACE),
            rule("/schema", Holds::Text, REPLACE),
        ];
        let refusal = |op, path| {
            apply(
                &Model::default(),
                Some(&[operation(op, path, Some("x"))]),
                &rules,
                Words::Listing,
            )
            .unwrap_err()
            .to_string()
        };
        assert_eq!(
            refusal("replace", "/name"),
            "Invalid patch path  '/name' specified for op 'replace'. Must be one of: [/description, /schema]"
        );
        assert_eq!(
            refusal("add", "/wrong-path"),
            "Invalid patch path  '/wrong-path' specified for op 'add'. Please choose supported operations"
        );
    }
}
