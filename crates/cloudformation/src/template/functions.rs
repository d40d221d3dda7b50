//! The intrinsic functions. Source: CloudFormation's "Intrinsic function reference".

use super::TemplateError;
use super::cidr;
use super::evaluate::{Evaluator, is_later, later_of};
use super::references::{Piece, attribute_of, call, pieces};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

type Found = Result<Option<Value>, TemplateError>;

fn error(message: impl std::fmt::Display) -> TemplateError {
    TemplateError::error(message)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn some_text(value: String) -> Found {
    Ok(Some(Value::String(value)))
}

/// Computes the function `name`.
pub(super) fn compute(on: &Evaluator<'_>, name: &str, argument: &Value) -> Found {
    match name {
        "Fn::GetAtt" => get_att(on, argument),
        "Fn::Sub" => sub(on, argument),
        "Fn::Join" => join(on, argument),
        "Fn::Split" => split(on, argument),
        "Fn::Select" => select(on, argument),
        "Fn::If" => choose(on, argument),
        "Fn::FindInMap" => find_in_map(on, argument),
        "Fn::Base64" => {
            let value = on.value(argument)?.unwrap_or(Value::Null);
            if let Some(later) = later_of([&value]) {
                return Ok(Some(later));
            }
            let text = text(&value).ok_or_else(|| error("every Fn::Base64 object must have a String-typed value."))?;
            some_text(STANDARD.encode(text))
        }
        "Fn::Cidr" => cidr(on, argument),
        "Fn::GetAZs" => {
            let region = on.value(argument)?.as_ref().and_then(text).unwrap_or_default();
            let region = if region.is_empty() {
                on.pseudo.region.clone()
            } else {
                region
            };
            Ok(Some(
                ["a", "b", "c"]
                    .iter()
                    .map(|zone| Value::String(format!("{region}{zone}")))
                    .collect(),
            ))
        }
        "Fn::ImportValue" => import(on, argument),
        "Fn::Length" if on.template.has_extensions() => {
            let value = on.value(argument)?.unwrap_or(Value::Null);
            match &value {
                Value::Array(items) => Ok(Some(items.len().into())),
                _ if is_later(&value) => Ok(later_of([&value])),
                _ => Err(error("Fn::Length expects a list.")),
            }
        }
        "Fn::ToJsonString" if on.template.has_extensions() => {
            let value = on.value(argument)?.unwrap_or(Value::Null);
            match later_of([&value]) {
                Some(later) => Ok(Some(later)),
                None => some_text(value.to_string()),
            }
        }
        "Fn::Length" | "Fn::ToJsonString" => Err(error(format!("{name} needs the transform AWS::LanguageExtensions."))),
        "Fn::And" | "Fn::Or" | "Fn::Not" | "Fn::Equals" => {
            let value = Value::Object(Map::from_iter([(name.to_owned(), argument.clone())]));
            Ok(Some(Value::Bool(truth(on, &value, 0)?)))
        }
        "Fn::Transform" => {
            let which = argument.get("Name").and_then(Value::as_str).unwrap_or("?");
            Err(TemplateError(format!(
                "Transform {which} is not built on this platform."
            )))
        }
        // Not one of CloudFormation's functions: AWS hands it to the resource and that refuses it.
        other => Err(error(format!(
            "{other} is not a function that CloudFormation has here."
        ))),
    }
}

/// Whether a value of the Conditions section is true.
pub(super) fn truth(on: &Evaluator<'_>, value: &Value, depth: usize) -> Result<bool, TemplateError> {
    let of_list = |name: &str, argument: &Value, range: std::ops::RangeInclusive<usize>| {
        let Value::Array(items) = argument else {
            return Err(error(format!("every {name} object requires a list of conditions.")));
        };
        if !range.contains(&items.len()) {
            return Err(error(format!(
                "every {name} object requires a list of at least {} and at most {} boolean parameters.",
                range.start(),
                range.end()
            )));
        }
        items
            .iter()
            .map(|item| truth(on, item, depth))
            .collect::<Result<Vec<_>, _>>()
    };
    if let Some(Value::String(name)) = value
        .as_object()
        .filter(|map| map.len() == 1)
        .and_then(|map| map.get("Condition"))
    {
        return on.condition_within(name, depth);
    }
    match call(value) {
        Some((name @ "Fn::And", argument)) => Ok(of_list(name, argument, 2..=10)?.into_iter().all(|one| one)),
        Some((name @ "Fn::Or", argument)) => Ok(of_list(name, argument, 2..=10)?.into_iter().any(|one| one)),
        Some((name @ "Fn::Not", argument)) => Ok(!of_list(name, argument, 1..=1)?.into_iter().all(|one| one)),
        Some(("Fn::Equals", argument)) => {
            let Value::Array(items) = argument else {
                return Err(error("every Fn::Equals object requires a list of 2 string parameters."));
            };
            let [a, b] = items.as_slice() else {
                return Err(error("every Fn::Equals object requires a list of 2 string parameters."));
            };
            let (a, b) = (on.value(a)?, on.value(b)?);
            let plain = |value: Option<Value>| value.map(|value| text(&value).map_or(value, Value::String));
            Ok(plain(a) == plain(b))
        }
        _ => match on.value(value)? {
            Some(Value::Bool(truth)) => Ok(truth),
            Some(Value::String(text)) if text == "true" || text == "false" => Ok(text == "true"),
            _ => Err(TemplateError::format(
                "Every Conditions member must be a condition function.",
            )),
        },
    }
}

fn get_att(on: &Evaluator<'_>, argument: &Value) -> Found {
    let wrong = || {
        error("every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute")
    };
    let (resource, mut attribute) = attribute_of(argument).ok_or_else(wrong)?;
    if attribute.is_empty() {
        let computed = argument.get(1).map(|value| on.value(value)).transpose()?.flatten();
        attribute = computed.as_ref().and_then(text).ok_or_else(wrong)?;
    }
    if resource.is_empty() || attribute.is_empty() {
        return Err(wrong());
    }
    on.attribute(&resource, &attribute).map(Some)
}

fn sub(on: &Evaluator<'_>, argument: &Value) -> Found {
    let wrong = || {
        error(
            "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string",
        )
    };
    let (template, variables) = match argument {
        Value::String(template) => (template, None),
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(template), Value::Object(variables)] => (template, Some(variables)),
            _ => return Err(wrong()),
        },
        _ => return Err(wrong()),
    };
    let mut out = String::with_capacity(template.len());
    let mut waiting = Vec::new();
    for piece in pieces(template) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Literal(name) => out.push_str(&format!("${{{name}}}")),
            Piece::Variable(name) => {
                let value = match variables.and_then(|map| map.get(name)) {
                    Some(value) => on.value(value)?,
                    None => match name.split_once('.') {
                        Some((resource, attribute)) => Some(on.attribute(resource, attribute)?),
                        None => on.named(name)?,
                    },
                };
                match value {
                    None => return Err(error("Fn::Sub cannot put AWS::NoValue into a string.")),
                    Some(value) if is_later(&value) => waiting.push(value),
                    Some(Value::Array(items)) => {
                        let parts: Option<Vec<String>> = items.iter().map(text).collect();
                        out.push_str(&parts.ok_or_else(wrong)?.join(","));
                    }
                    Some(value) => out.push_str(&text(&value).ok_or_else(|| {
                        error(format!(
                            "variable {name} in Fn::Sub expression does not resolve to a string"
                        ))
                    })?),
                }
            }
        }
    }
    match later_of(&waiting) {
        Some(later) => Ok(Some(later)),
        None => some_text(out),
    }
}

fn join(on: &Evaluator<'_>, argument: &Value) -> Found {
    let wrong = || {
        error(
            "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.",
        )
    };
    let Value::Array(parts) = argument else {
        return Err(wrong());
    };
    let [Value::String(delimiter), list] = parts.as_slice() else {
        return Err(wrong());
    };
    let list = on.value(list)?.ok_or_else(wrong)?;
    if let Some(later) = later_of([&list]) {
        return Ok(Some(later));
    }
    let Value::Array(items) = list else { return Err(wrong()) };
    let texts: Option<Vec<String>> = items.iter().map(text).collect();
    some_text(texts.ok_or_else(wrong)?.join(delimiter))
}

fn split(on: &Evaluator<'_>, argument: &Value) -> Found {
    let wrong = || {
        error(
            "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split.",
        )
    };
    let Value::Array(parts) = argument else {
        return Err(wrong());
    };
    let [Value::String(delimiter), source] = parts.as_slice() else {
        return Err(wrong());
    };
    let source = on.value(source)?.ok_or_else(wrong)?;
    if let Some(later) = later_of([&source]) {
        return Ok(Some(later));
    }
    let source = text(&source).ok_or_else(wrong)?;
    if delimiter.is_empty() {
        return Err(wrong());
    }
    Ok(Some(
        source
            .split(delimiter.as_str())
            .map(|part| Value::String(part.to_owned()))
            .collect(),
    ))
}

fn select(on: &Evaluator<'_>, argument: &Value) -> Found {
    let wrong = || error("Fn::Select requires a list argument with two elements: an integer index and a list");
    let Value::Array(parts) = argument else {
        return Err(wrong());
    };
    let [index, list] = parts.as_slice() else {
        return Err(wrong());
    };
    let index = on
        .value(index)?
        .as_ref()
        .and_then(text)
        .and_then(|text| text.parse::<usize>().ok())
        .ok_or_else(wrong)?;
    let list = on.value(list)?.ok_or_else(wrong)?;
    if is_later(&list) {
        return Ok(Some(list));
    }
    let Value::Array(mut items) = list else {
        return Err(wrong());
    };
    if index >= items.len() {
        return Err(error(format!(
            "Fn::Select cannot select nonexistent value at index {index}"
        )));
    }
    Ok(Some(items.swap_remove(index)))
}

fn choose(on: &Evaluator<'_>, argument: &Value) -> Found {
    let wrong = || {
        error(
            "Fn::If requires a list argument with three elements: a condition name, a value if true and a value if false",
        )
    };
    let Value::Array(parts) = argument else {
        return Err(wrong());
    };
    let [Value::String(condition), yes, no] = parts.as_slice() else {
        return Err(wrong());
    };
    on.value(if on.condition(condition)? { yes } else { no })
}

fn find_in_map(on: &Evaluator<'_>, argument: &Value) -> Found {
    let wrong = || {
        error(
            "every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value",
        )
    };
    let Value::Array(parts) = argument else {
        return Err(wrong());
    };
    let (keys, default) = match parts.as_slice() {
        [map, first, second] => ([map, first, second], None),
        [map, first, second, Value::Object(options)] if on.template.has_extensions() => {
            ([map, first, second], options.get("DefaultValue"))
        }
        _ => return Err(wrong()),
    };
    let mut names = Vec::with_capacity(3);
    for key in keys {
        names.push(on.value(key)?.as_ref().and_then(text).ok_or_else(wrong)?);
    }
    let found = on
        .template
        .mappings
        .get(&names[0])
        .and_then(|map| map.get(&names[1]))
        .and_then(|map| map.get(&names[2]));
    match (found, default) {
        (Some(value), _) => Ok(Some(value.clone())),
        (None, Some(default)) => on.value(default),
        (None, None) => Err(error(format!("Unable to get mapping for {}", names.join("::")))),
    }
}

fn cidr(on: &Evaluator<'_>, argument: &Value) -> Found {
    let wrong =
        || error("Every Fn::Cidr object requires two parameters, (1) a string of ipBlock, (2) a number of subnets");
    let Value::Array(parts) = argument else {
        return Err(wrong());
    };
    let mut given = Vec::with_capacity(3);
    for part in parts {
        given.push(on.value(part)?.ok_or_else(wrong)?);
    }
    if let Some(later) = later_of(&given) {
        return Ok(Some(later));
    }
    let number = |at: usize| given.get(at).and_then(text).and_then(|text| text.parse::<u32>().ok());
    let block = given.first().and_then(text).ok_or_else(wrong)?;
    let bits = if block.contains(':') {
        number(2).ok_or_else(wrong)?
    } else {
        number(2).unwrap_or(8)
    };
    let count = number(1).ok_or_else(wrong)?;
    let blocks = cidr::blocks(&block, count, bits);
    let blocks = blocks.ok_or_else(|| {
        error(format!(
            "Fn::Cidr cannot cut {count} blocks of {bits} bits out of {block}"
        ))
    })?;
    Ok(Some(blocks.into_iter().map(Value::String).collect()))
}

fn import(on: &Evaluator<'_>, argument: &Value) -> Found {
    let name = on.value(argument)?.unwrap_or(Value::Null);
    if let Some(later) = later_of([&name]) {
        return Ok(Some(later));
    }
    let name = text(&name).ok_or_else(|| error("every Fn::ImportValue object requires a string."))?;
    match on.exports.get(&name) {
        Some(value) => some_text(value.clone()),
        None => Err(TemplateError(format!(
            "No export named {name} found. Rollback requested by user."
        ))),
    }
}
