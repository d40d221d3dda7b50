//! The sections of a template, each checked for its form.

use super::loops::{self, Known};
use super::{Output, Parameter, Resource, Template, TemplateError};
use crate::template::parameters;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const SECTIONS: [&str; 11] = [
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Mappings",
    "Conditions",
    "Rules",
    "Transform",
    "Resources",
    "Outputs",
    "Hooks",
];
/// Most members of each section. Source: CloudFormation quotas; resources have none here.
const MAX_PARAMETERS: usize = 200;
const MAX_OUTPUTS: usize = 200;
const MAX_MAPPINGS: usize = 200;
const MAX_DESCRIPTION_BYTES: usize = 1024;
/// Most resources of one stack: a bound, where AWS has 500.
const MAX_RESOURCES: usize = 10_000;

fn format(message: impl std::fmt::Display) -> TemplateError {
    TemplateError::format(message)
}

fn section(tree: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>, TemplateError> {
    match tree.remove(name) {
        None => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map),
        Some(Value::Null) => Err(TemplateError(format!(
            "[/{name}] 'null' values are not allowed in templates"
        ))),
        Some(_) => Err(format(format!("{name} section must be a map."))),
    }
}

pub(super) fn read(tree: Value, known: Known<'_>) -> Result<Template, TemplateError> {
    let Value::Object(mut tree) = tree else {
        return Err(format("unsupported structure."));
    };
    let unknown: Vec<&str> = tree
        .keys()
        .map(String::as_str)
        .filter(|key| !SECTIONS.contains(key))
        .collect();
    if !unknown.is_empty() {
        return Err(TemplateError(format!(
            "Invalid template property or properties [{}]",
            unknown.join(", ")
        )));
    }
    let version = match tree.remove("AWSTemplateFormatVersion") {
        None => None,
        Some(Value::String(version)) if version == "2010-09-09" => Some(version),
        Some(Value::String(version)) => {
            return Err(format(format!(
                "Unsupported template format version ({version}). The supported version is 2010-09-09."
            )));
        }
        Some(_) => return Err(format("Template format version must be a string.")),
    };
    let description = match tree.remove("Description") {
        None => None,
        Some(Value::String(text)) if text.len() > MAX_DESCRIPTION_BYTES => {
            return Err(format(format!(
                "Template description is longer than {MAX_DESCRIPTION_BYTES} bytes."
            )));
        }
        Some(Value::String(text)) => Some(text),
        Some(_) => return Err(format("Every Description member must be a string.")),
    };
    let transforms = transforms(tree.remove("Transform"))?;
    let hooks = tree.remove("Hooks");
    if hooks.is_some_and(|hooks| hooks.as_object().is_none_or(|hooks| !hooks.is_empty())) {
        return Err(TemplateError::error(
            "Hooks (blue/green deployments of CodeDeploy) are not built on this platform.",
        ));
    }
    let mut whole = Value::Object(tree);
    loops::expand(&mut whole, &transforms, known)?;
    if let Some(path) = null_in(&whole, &mut String::new()) {
        return Err(TemplateError(format!(
            "[{path}] 'null' values are not allowed in templates"
        )));
    }
    let Value::Object(mut tree) = whole else {
        return Err(format("unsupported structure."));
    };
    let metadata = tree.remove("Metadata");
    let parameters = bounded(section(&mut tree, "Parameters")?, MAX_PARAMETERS, "Parameters")?;
    let mappings = bounded(section(&mut tree, "Mappings")?, MAX_MAPPINGS, "Mappings")?;
    check_mappings(&mappings)?;
    let conditions = section(&mut tree, "Conditions")?;
    let rules = section(&mut tree, "Rules")?;
    let resources = match tree.remove("Resources") {
        Some(Value::Object(map)) if !map.is_empty() => bounded(map, MAX_RESOURCES, "Resources")?,
        _ => return Err(format("At least one Resources member must be defined.")),
    };
    let outputs = bounded(section(&mut tree, "Outputs")?, MAX_OUTPUTS, "Outputs")?;
    Ok(Template {
        description,
        version,
        metadata,
        transforms,
        parameters: each(parameters, "Parameter", parameter)?,
        mappings,
        conditions,
        rules,
        resources: each(resources, "Resource", resource)?,
        outputs: each(outputs, "Output", output)?,
    })
}

fn bounded(map: Map<String, Value>, most: usize, name: &str) -> Result<Map<String, Value>, TemplateError> {
    match map.len() {
        n if n > most => Err(format(format!(
            "Number of {name}, {n}, is greater than maximum allowed, {most}"
        ))),
        _ => Ok(map),
    }
}

/// Where the first `null` is that means something. Properties of custom resources may have none either.
fn null_in(value: &Value, path: &mut String) -> Option<String> {
    let children: Box<dyn Iterator<Item = (String, &Value)>> = match value {
        Value::Null => return Some(path.clone()),
        Value::Object(map) => Box::new(map.iter().map(|(key, value)| (key.clone(), value))),
        Value::Array(items) => Box::new(items.iter().enumerate().map(|(at, value)| (at.to_string(), value))),
        _ => return None,
    };
    for (key, child) in children {
        let length = path.len();
        path.push('/');
        path.push_str(&key);
        if let Some(found) = null_in(child, path) {
            return Some(found);
        }
        path.truncate(length);
    }
    None
}

fn transforms(value: Option<Value>) -> Result<Vec<String>, TemplateError> {
    let names = match value {
        None => Vec::new(),
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(items)) => items
            .into_iter()
            .map(|item| match item {
                Value::String(name) => Ok(name),
                Value::Object(map) => match map.get("Name") {
                    Some(Value::String(name)) => Ok(name.clone()),
                    _ => Err(format("Key Name of transform definition must be a string.")),
                },
                _ => Err(format("Transform must be a string or a list of strings.")),
            })
            .collect::<Result<_, _>>()?,
        Some(Value::Object(map)) => match map.get("Name") {
            Some(Value::String(name)) => vec![name.clone()],
            _ => {
                return Err(TemplateError(
                    "Key Name of transform definition must be a string.".into(),
                ));
            }
        },
        Some(_) => return Err(format("Transform must be a string or a list of strings.")),
    };
    match names.iter().find(|name| *name != loops::LANGUAGE_EXTENSIONS) {
        Some(name) => Err(TemplateError(format!(
            "Transform {name} is not built on this platform; of the transforms it has {}.",
            loops::LANGUAGE_EXTENSIONS
        ))),
        None => Ok(names),
    }
}

fn each<T>(
    map: Map<String, Value>,
    what: &str,
    read: fn(&str, Map<String, Value>) -> Result<T, TemplateError>,
) -> Result<BTreeMap<String, T>, TemplateError> {
    map.into_iter()
        .map(|(name, value)| {
            if name.is_empty() || name.len() > 255 || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Err(format(format!("{what} name {name} is non alphanumeric.")));
            }
            let Value::Object(members) = value else {
                return Err(format(format!("Any {what}s member must be an object.")));
            };
            let member = read(&name, members)?;
            Ok((name, member))
        })
        .collect()
}

fn text(members: &mut Map<String, Value>, name: &str) -> Option<String> {
    match members.remove(name)? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn parameter(name: &str, mut members: Map<String, Value>) -> Result<Parameter, TemplateError> {
    let Some(kind) = text(&mut members, "Type") else {
        return Err(format("Every Parameters object must contain a Type member."));
    };
    if !parameters::is_known_type(&kind) {
        return Err(format(format!("Unrecognized parameter type: {kind}")));
    }
    let number = |members: &mut Map<String, Value>, key: &str| match text(members, key) {
        None => Ok(None),
        Some(text) => match text.parse::<f64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(format(format!("Parameter '{name}' must have a number as its {key}."))),
        },
    };
    let length = |value: Option<f64>| value.map(|number| number.max(0.0) as u64);
    let allowed_values = match members.remove("AllowedValues") {
        None => None,
        Some(Value::Array(values)) => Some(values.iter().map(parameters::text_of).collect()),
        Some(_) => {
            return Err(format(format!(
                "Every AllowedValues value must be a list of strings ({name})."
            )));
        }
    };
    Ok(Parameter {
        default: match members.remove("Default") {
            None => None,
            Some(value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => Some(parameters::text_of(&value)),
            Some(_) => return Err(format("Every Default member must be a string.")),
        },
        no_echo: text(&mut members, "NoEcho").is_some_and(|text| text.eq_ignore_ascii_case("true")),
        description: text(&mut members, "Description"),
        allowed_values,
        allowed_pattern: text(&mut members, "AllowedPattern"),
        constraint: text(&mut members, "ConstraintDescription"),
        min_length: length(number(&mut members, "MinLength")?),
        max_length: length(number(&mut members, "MaxLength")?),
        min_value: number(&mut members, "MinValue")?,
        max_value: number(&mut members, "MaxValue")?,
        kind,
    })
}

fn check_mappings(mappings: &Map<String, Value>) -> Result<(), TemplateError> {
    for (name, mapping) in mappings {
        let Value::Object(mapping) = mapping else {
            return Err(format(format!("Every Mappings member {name} must be a map")));
        };
        for (key, second) in mapping {
            let Value::Object(second) = second else {
                if key == "Fn::Transform" {
                    return Err(TemplateError::error("Fn::Transform is not built on this platform."));
                }
                return Err(format(format!("Every Mappings member {key} must be a map")));
            };
            for value in second.values() {
                if value.is_object() {
                    return Err(format("Every Mappings attribute must be a String or a List."));
                }
            }
        }
    }
    Ok(())
}

const RESOURCE_MEMBERS: [&str; 11] = [
    "Type",
    "Properties",
    "DependsOn",
    "Condition",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "CreationPolicy",
    "UpdatePolicy",
    "Metadata",
    "Version",
    "Description",
];

fn resource(name: &str, mut members: Map<String, Value>) -> Result<Resource, TemplateError> {
    if let Some(unknown) = members.keys().find(|key| !RESOURCE_MEMBERS.contains(&key.as_str())) {
        return Err(TemplateError(format!("Invalid template resource property '{unknown}'")));
    }
    let Some(Value::String(kind)) = members.remove("Type") else {
        return Err(format(format!(
            "[/Resources/{name}] Every Resources object must contain a Type member."
        )));
    };
    let properties = match members.remove("Properties") {
        None => Value::Object(Map::new()),
        Some(Value::Object(map)) => Value::Object(map),
        Some(_) => {
            return Err(format(format!(
                "[/Resources/{name}/Properties] Properties must be a map."
            )));
        }
    };
    let names = |value: Value| match value {
        Value::String(name) => Ok(vec![name]),
        Value::Array(items) => items
            .into_iter()
            .map(|item| match item {
                Value::String(name) => Ok(name),
                _ => Err(format("DependsOn must be a string or list of strings.")),
            })
            .collect(),
        _ => Err(format("DependsOn must be a string or list of strings.")),
    };
    let depends_on = members.remove("DependsOn").map(names).transpose()?.unwrap_or_default();
    let condition = match members.remove("Condition") {
        None => None,
        Some(Value::String(name)) => Some(name),
        Some(_) => return Err(format(format!("Every Condition member must be a string ({name})."))),
    };
    for key in ["DeletionPolicy", "UpdateReplacePolicy"] {
        if let Some(Value::String(policy)) = members.get(key) {
            let known = ["Delete", "Retain", "Snapshot", "RetainExceptOnCreate"];
            if !known.contains(&policy.as_str()) {
                return Err(format(format!("Unrecognized {key} {policy} for resource {name}")));
            }
        }
    }
    Ok(Resource {
        kind,
        properties,
        depends_on,
        condition,
        deletion_policy: members.remove("DeletionPolicy"),
        update_replace_policy: members.remove("UpdateReplacePolicy"),
        creation_policy: members.remove("CreationPolicy"),
        metadata: members.remove("Metadata"),
    })
}

fn output(name: &str, mut members: Map<String, Value>) -> Result<Output, TemplateError> {
    let Some(value) = members.remove("Value") else {
        return Err(format("Every Outputs member must contain a Value object"));
    };
    let export = match members.remove("Export") {
        None => None,
        Some(Value::Object(mut export)) => match export.remove("Name") {
            Some(name) => Some(name),
            None => return Err(format(format!("Output {name} must have a Name in its Export."))),
        },
        Some(_) => return Err(format(format!("The Export of output {name} must be a map."))),
    };
    Ok(Output {
        description: members.remove("Description"),
        value,
        export,
        condition: match members.remove("Condition") {
            Some(Value::String(name)) => Some(name),
            _ => None,
        },
    })
}
