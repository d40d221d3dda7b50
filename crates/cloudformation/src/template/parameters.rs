//! Parameters: their types, and whether values fit.

use super::{Parameter, Template, TemplateError};
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest value. Source: CloudFormation quotas.
const MAX_VALUE_BYTES: usize = 4_096;

/// A value that a parameter has in a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Given {
    pub value: String,
    /// What the Parameter Store has under this name, for the types `AWS::SSM::Parameter::Value<…>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<String>,
    /// Whether it is shown to nobody.
    #[serde(default)]
    pub no_echo: bool,
}

/// What a caller says of one parameter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    pub value: Option<String>,
    pub use_previous: bool,
}

pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(crate) fn is_known_type(kind: &str) -> bool {
    let inner = |kind: &str| {
        kind.strip_prefix("List<")
            .and_then(|rest| rest.strip_suffix('>'))
            .unwrap_or(kind)
            .to_owned()
    };
    match kind {
        "String" | "Number" | "CommaDelimitedList" | "List<Number>" | "List<String>" => true,
        _ if kind.starts_with("AWS::SSM::Parameter::") => true,
        _ => inner(kind).starts_with("AWS::"),
    }
}

/// The type of what a parameter's value names in the Parameter Store.
pub(crate) fn stored_kind(kind: &str) -> Option<&str> {
    kind.strip_prefix("AWS::SSM::Parameter::Value<")?.strip_suffix('>')
}

fn is_list(kind: &str) -> bool {
    kind == "CommaDelimitedList" || kind.starts_with("List<")
}

/// The values of all parameters, from what is said, what was before and the defaults.
pub(crate) fn resolve(
    template: &Template,
    said: &BTreeMap<String, Said>,
    before: &BTreeMap<String, Given>,
) -> Result<BTreeMap<String, Given>, TemplateError> {
    let unknown: Vec<&str> = said
        .keys()
        .map(String::as_str)
        .filter(|name| !template.parameters.contains_key(*name))
        .collect();
    if !unknown.is_empty() {
        return Err(TemplateError(format!(
            "Parameters: [{}] do not exist in the template",
            unknown.join(", ")
        )));
    }
    let mut missing = Vec::new();
    let mut all = BTreeMap::new();
    for (name, declared) in &template.parameters {
        let value = match said.get(name) {
            Some(Said { use_previous: true, .. }) => match before.get(name) {
                Some(given) => Some(given.value.clone()),
                None => {
                    return Err(TemplateError(format!(
                        "Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a \
                         parameter key not in the previous template"
                    )));
                }
            },
            Some(Said { value: Some(value), .. }) => Some(value.clone()),
            _ => declared.default.clone(),
        };
        match value {
            Some(value) => {
                check(name, declared, &value)?;
                all.insert(
                    name.clone(),
                    Given {
                        value,
                        resolved: None,
                        no_echo: declared.no_echo,
                    },
                );
            }
            None => missing.push(name.as_str()),
        }
    }
    if !missing.is_empty() {
        return Err(TemplateError(format!(
            "Parameters: [{}] must have values",
            missing.join(", ")
        )));
    }
    Ok(all)
}

fn check(name: &str, declared: &Parameter, value: &str) -> Result<(), TemplateError> {
    let refuse = |what: String| {
        Err(TemplateError(match &declared.constraint {
            Some(words) => format!("Parameter '{name}' failed to satisfy constraint: {words}"),
            None => format!("Parameter '{name}' {what}"),
        }))
    };
    if value.len() > MAX_VALUE_BYTES {
        return Err(TemplateError(format!(
            "Parameter '{name}' must contain at most {MAX_VALUE_BYTES} characters"
        )));
    }
    let items: Vec<&str> = if is_list(&declared.kind) {
        value.split(',').map(str::trim).collect()
    } else {
        vec![value]
    };
    for item in &items {
        if let Some(allowed) = &declared.allowed_values
            && !allowed.iter().any(|one| one == item)
        {
            return refuse(format!("must be one of AllowedValues: [{}]", allowed.join(", ")));
        }
        if matches!(declared.kind.as_str(), "Number" | "List<Number>") {
            let Ok(number) = item.trim().parse::<f64>() else {
                return Err(TemplateError(format!("Parameter '{name}' must be a number.")));
            };
            if let Some(least) = declared.min_value.filter(|least| number < *least) {
                return refuse(format!("must be a number not less than {least}"));
            }
            if let Some(most) = declared.max_value.filter(|most| number > *most) {
                return refuse(format!("must be a number not greater than {most}"));
            }
        }
        if let Some(pattern) = &declared.allowed_pattern {
            // The whole value, as Java's matches() does.
            let whole = Regex::new(&format!("^(?:{pattern})$"))
                .map_err(|_| TemplateError(format!("Parameter '{name}' has an AllowedPattern that is no pattern.")))?;
            if !whole.is_match(item) {
                return refuse(format!("must match pattern {pattern}"));
            }
        }
    }
    let characters = value.chars().count() as u64;
    if let Some(least) = declared.min_length.filter(|least| characters < *least) {
        return refuse(format!("must contain at least {least} characters"));
    }
    if let Some(most) = declared.max_length.filter(|most| characters > *most) {
        return refuse(format!("must contain at most {most} characters"));
    }
    Ok(())
}

/// What `Ref` gives: a list for list types.
pub(crate) fn reference(declared: &Parameter, given: &Given) -> Value {
    let kind = stored_kind(&declared.kind).unwrap_or(&declared.kind);
    let value = given.resolved.as_ref().unwrap_or(&given.value);
    if is_list(kind) {
        if value.is_empty() {
            return Value::Array(Vec::new());
        }
        return value
            .split(',')
            .map(|item| Value::String(item.trim().to_owned()))
            .collect();
    }
    Value::String(value.clone())
}
