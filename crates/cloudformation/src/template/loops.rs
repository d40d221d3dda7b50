//! `Fn::ForEach` of `AWS::LanguageExtensions`: expanded before anything else looks at a template.
//!
//! A collection may be a list of texts, or a `Ref` to a parameter that is a list. Source: CloudFormation's "Fn::ForEach" page.

use super::TemplateError;
use serde_json::{Map, Value};

/// The transform that switches loops and a few functions on.
pub(super) const LANGUAGE_EXTENSIONS: &str = "AWS::LanguageExtensions";

const PREFIX: &str = "Fn::ForEach::";
/// Members that all loops of a template together may make.
const MAX_MADE: usize = 20_000;
/// How deep loops nest. Source: the function's page.
const MAX_NESTING: usize = 5;

/// The values of parameters that a deployment gives.
pub(crate) type Known<'k> = &'k (dyn Fn(&str) -> Option<String> + Sync);

/// What collections are looked up in.
#[derive(Clone, Copy)]
struct Lists<'l> {
    defaults: &'l Value,
    known: Known<'l>,
}

pub(super) fn expand(tree: &mut Value, transforms: &[String], known: Known<'_>) -> Result<(), TemplateError> {
    let has_loops = transforms.iter().any(|name| name == LANGUAGE_EXTENSIONS);
    let defaults = tree.get("Parameters").cloned().unwrap_or(Value::Null);
    let lists = Lists {
        defaults: &defaults,
        known,
    };
    let mut made = 0;
    let Value::Object(sections) = tree else { return Ok(()) };
    for section in ["Resources", "Outputs", "Conditions"] {
        let Some(value) = sections.get_mut(section) else {
            continue;
        };
        if has_loops {
            walk(value, lists, 0, &mut made)?;
        } else if let Some(key) = value
            .as_object()
            .and_then(|map| map.keys().find(|key| key.starts_with(PREFIX)))
        {
            return Err(TemplateError::format(format!(
                "{key} needs the transform {LANGUAGE_EXTENSIONS}."
            )));
        }
    }
    Ok(())
}

fn walk(value: &mut Value, lists: Lists<'_>, depth: usize, made: &mut usize) -> Result<(), TemplateError> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| walk(item, lists, depth, made)),
        Value::Object(map) => {
            if map.keys().any(|key| key.starts_with(PREFIX)) {
                let mut out = Map::new();
                for (key, inner) in std::mem::take(map) {
                    match key.starts_with(PREFIX) {
                        true => repeat(&key, inner, lists, depth, made, &mut out)?,
                        false => {
                            out.insert(key, inner);
                        }
                    }
                }
                *map = out;
            }
            map.values_mut().try_for_each(|inner| walk(inner, lists, depth, made))
        }
        _ => Ok(()),
    }
}

fn repeat(
    key: &str,
    body: Value,
    lists: Lists<'_>,
    depth: usize,
    made: &mut usize,
    out: &mut Map<String, Value>,
) -> Result<(), TemplateError> {
    let invalid = || TemplateError::format(format!("{key} layout is incorrect"));
    if depth >= MAX_NESTING {
        return Err(TemplateError::format(format!(
            "{PREFIX} nests deeper than {MAX_NESTING} levels"
        )));
    }
    let Value::Array(parts) = body else {
        return Err(invalid());
    };
    let [Value::String(name), collection, fragment @ Value::Object(_)] = parts.as_slice() else {
        return Err(invalid());
    };
    for item in collection_of(collection, lists).ok_or_else(invalid)? {
        let mut copy = fragment.clone();
        replace(&mut copy, name, &item);
        *made += 1;
        if *made > MAX_MADE {
            return Err(TemplateError::format(format!(
                "{PREFIX} loops make more than {MAX_MADE} members"
            )));
        }
        let Value::Object(mut members) = copy else {
            return Err(invalid());
        };
        if members.keys().any(|key| key.starts_with(PREFIX)) {
            for (key, inner) in std::mem::take(&mut members) {
                match key.starts_with(PREFIX) {
                    true => repeat(&key, inner, lists, depth + 1, made, &mut members)?,
                    false => {
                        members.insert(key, inner);
                    }
                }
            }
        }
        out.extend(members);
    }
    Ok(())
}

fn collection_of(value: &Value, lists: Lists<'_>) -> Option<Vec<String>> {
    match value {
        Value::Array(items) => items
            .iter()
            .map(|item| match item {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
            .collect(),
        Value::Object(map) => match map.get("Ref") {
            Some(Value::String(parameter)) => {
                let default = || {
                    lists
                        .defaults
                        .get(parameter)?
                        .get("Default")?
                        .as_str()
                        .map(str::to_owned)
                };
                let list = (lists.known)(parameter).or_else(default)?;
                Some(list.split(',').map(|item| item.trim().to_owned()).collect())
            }
            _ => None,
        },
        _ => None,
    }
}

/// Puts `item` in the place of `${name}`, `&{name}` (the same without what is not alphanumeric) and `Ref: name`.
fn replace(value: &mut Value, name: &str, item: &str) {
    let plain: String = item.chars().filter(char::is_ascii_alphanumeric).collect();
    let (braces, ampersand) = (format!("${{{name}}}"), format!("&{{{name}}}"));
    let change = |text: &str| text.replace(&braces, item).replace(&ampersand, &plain);
    match value {
        Value::String(text) => *text = change(text),
        Value::Array(items) => items.iter_mut().for_each(|inner| replace(inner, name, item)),
        Value::Object(map) => {
            if map.len() == 1 && map.get("Ref").and_then(Value::as_str) == Some(name) {
                *value = Value::String(item.to_owned());
                return;
            }
            let entries = std::mem::take(map);
            map.extend(entries.into_iter().map(|(key, mut inner)| {
                replace(&mut inner, name, item);
                (change(&key), inner)
            }));
        }
        _ => {}
    }
}
