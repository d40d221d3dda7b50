//! Who needs whom in a template: names that lead nowhere, and circles.

use super::{Template, TemplateError};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The name and argument of a function call, when `value` is one.
pub(crate) fn call(value: &Value) -> Option<(&str, &Value)> {
    let map = value.as_object()?;
    let (name, argument) = map.iter().next()?;
    (map.len() == 1 && (name == "Ref" || name.starts_with("Fn::"))).then_some((name.as_str(), argument))
}

/// Something that a value needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// A parameter, pseudo-parameter or resource.
    Ref(String),
    /// An attribute of a resource.
    Attribute(String, String),
    /// A condition of `Fn::If`.
    Condition(String),
}

/// The pieces of `Fn::Sub`'s text.
pub(crate) enum Piece<'t> {
    Text(&'t str),
    /// `${name}`.
    Variable(&'t str),
    /// `${!name}`: the text `${name}`.
    Literal(&'t str),
}

pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let Some(end) = rest[at..].find('}') else { break };
        out.push(Piece::Text(&rest[..at]));
        let name = &rest[at + 2..at + end];
        out.push(match name.strip_prefix('!') {
            Some(literal) => Piece::Literal(literal),
            None => Piece::Variable(name.trim()),
        });
        rest = &rest[at + end + 1..];
    }
    out.push(Piece::Text(rest));
    out
}

/// All that `value` needs, in every branch.
pub(crate) fn needs(value: &Value, out: &mut BTreeSet<Need>) {
    match call(value) {
        Some(("Ref", Value::String(name))) => {
            out.insert(Need::Ref(name.clone()));
        }
        Some(("Fn::GetAtt", argument)) => {
            if let Some((resource, attribute)) = attribute_of(argument) {
                out.insert(Need::Attribute(resource, attribute));
            }
            if let Value::Array(parts) = argument {
                parts.iter().for_each(|part| needs(part, out));
            }
        }
        Some(("Fn::Sub", argument)) => {
            let (text, variables) = match argument {
                Value::String(text) => (text.as_str(), None),
                Value::Array(parts) => (parts.first().and_then(Value::as_str).unwrap_or(""), parts.get(1)),
                _ => ("", None),
            };
            for piece in pieces(text) {
                let Piece::Variable(name) = piece else { continue };
                if variables.is_some_and(|map| map.get(name).is_some()) {
                    continue;
                }
                out.insert(match name.split_once('.') {
                    Some((resource, attribute)) => Need::Attribute(resource.to_owned(), attribute.to_owned()),
                    None => Need::Ref(name.to_owned()),
                });
            }
            if let Some(map) = variables.and_then(Value::as_object) {
                map.values().for_each(|value| needs(value, out));
            }
        }
        Some(("Fn::If", Value::Array(parts))) => {
            if let Some(Value::String(name)) = parts.first() {
                out.insert(Need::Condition(name.clone()));
            }
            parts.iter().skip(1).for_each(|part| needs(part, out));
        }
        _ => match value {
            Value::Array(items) => items.iter().for_each(|item| needs(item, out)),
            Value::Object(map) => map.values().for_each(|item| needs(item, out)),
            _ => {}
        },
    }
}

/// The resource and attribute of `Fn::GetAtt`, when both are written out (an attribute may be computed).
pub(crate) fn attribute_of(argument: &Value) -> Option<(String, String)> {
    match argument {
        Value::String(text) => text.split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())),
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(resource), Value::String(attribute)] => Some((resource.clone(), attribute.clone())),
            [Value::String(resource), _] => Some((resource.clone(), String::new())),
            [Value::String(resource), rest @ ..] if rest.iter().all(Value::is_string) => {
                let rest: Vec<&str> = rest.iter().filter_map(Value::as_str).collect();
                Some((resource.clone(), rest.join(".")))
            }
            _ => None,
        },
        _ => None,
    }
}

fn is_pseudo(name: &str) -> bool {
    matches!(
        name,
        "AWS::AccountId"
            | "AWS::NotificationARNs"
            | "AWS::NoValue"
            | "AWS::Partition"
            | "AWS::Region"
            | "AWS::StackId"
            | "AWS::StackName"
            | "AWS::URLSuffix"
    )
}

/// Refuses names that lead nowhere and resources that wait for each other.
pub(super) fn check(template: &Template) -> Result<(), TemplateError> {
    let known =
        |name: &str| is_pseudo(name) || template.parameters.contains_key(name) || template.resources.contains_key(name);
    let unresolved = |names: &BTreeSet<String>, block: &str| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        TemplateError::format(format!(
            "Unresolved resource dependencies [{}] in the {block} block of the template",
            names.join(", ")
        ))
    };
    check_conditions(template)?;
    let mut missing = BTreeSet::new();
    for (name, resource) in &template.resources {
        if let Some(condition) = &resource.condition
            && !template.conditions.contains_key(condition)
        {
            return Err(TemplateError::format(
                format!(
                    "Template error: Unresolved condition dependency {condition} in the Resources block of the template"
                )
                .trim_start_matches("Template error: "),
            ));
        }
        for dependency in &resource.depends_on {
            if !template.resources.contains_key(dependency) {
                missing.insert(dependency.clone());
            }
        }
        let mut all = BTreeSet::new();
        needs(&resource.properties, &mut all);
        judge(template, &all, &known, &mut missing)?;
        if all.contains(&Need::Ref(name.clone())) {
            return Err(TemplateError(format!(
                "Circular dependency between resources: [{name}]"
            )));
        }
    }
    if !missing.is_empty() {
        return Err(unresolved(&missing, "Resources"));
    }
    for output in template.outputs.values() {
        let mut all = BTreeSet::new();
        needs(&output.value, &mut all);
        if let Some(export) = &output.export {
            needs(export, &mut all);
        }
        if let Some(condition) = &output.condition {
            all.insert(Need::Condition(condition.clone()));
        }
        judge(template, &all, &known, &mut missing)?;
    }
    if !missing.is_empty() {
        return Err(unresolved(&missing, "Outputs"));
    }
    circles(&graph(template, &|_| true))
}

fn judge(
    template: &Template,
    needs: &BTreeSet<Need>,
    known: &dyn Fn(&str) -> bool,
    missing: &mut BTreeSet<String>,
) -> Result<(), TemplateError> {
    for need in needs {
        match need {
            Need::Ref(name) if !known(name) => {
                missing.insert(name.clone());
            }
            Need::Attribute(resource, _) if !template.resources.contains_key(resource) => {
                return Err(TemplateError::error(format!(
                    "instance of Fn::GetAtt references undefined resource {resource}"
                )));
            }
            Need::Condition(name) if !template.conditions.contains_key(name) => {
                return Err(TemplateError::error(format!(
                    "unresolved condition dependency {name} in Fn::If"
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_conditions(template: &Template) -> Result<(), TemplateError> {
    for value in template.conditions.values() {
        let mut all = BTreeSet::new();
        needs(value, &mut all);
        for need in all {
            match need {
                Need::Ref(name) | Need::Attribute(name, _) if template.resources.contains_key(&name) => {
                    return Err(TemplateError::format(format!(
                        "Unresolved dependencies [{name}]. Cannot reference resources in the Conditions block of the \
                         template"
                    )));
                }
                Need::Ref(name) if !is_pseudo(&name) && !template.parameters.contains_key(&name) => {
                    return Err(TemplateError::format(format!(
                        "Unresolved dependencies [{name}]. Cannot reference resources in the Conditions block of the \
                         template"
                    )));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The resources that each resource needs, of those that `is_there` says exist.
pub(crate) fn graph(template: &Template, is_there: &dyn Fn(&str) -> bool) -> BTreeMap<String, BTreeSet<String>> {
    let edges = |name: &String| {
        let resource = &template.resources[name];
        let mut all = BTreeSet::new();
        needs(&resource.properties, &mut all);
        if let Some(metadata) = &resource.metadata {
            needs(metadata, &mut all);
        }
        let named = all.into_iter().filter_map(|need| match need {
            Need::Ref(name) | Need::Attribute(name, _) => Some(name),
            Need::Condition(_) => None,
        });
        named
            .chain(resource.depends_on.iter().cloned())
            .filter(|other| other != name && template.resources.contains_key(other) && is_there(other))
            .collect()
    };
    let there = template.resources.keys().filter(|name| is_there(name));
    there.map(|name| (name.clone(), edges(name))).collect()
}

/// Refuses resources that wait for each other.
fn circles(graph: &BTreeMap<String, BTreeSet<String>>) -> Result<(), TemplateError> {
    let mut left = graph.clone();
    let mut needed_by = BTreeMap::<&str, Vec<&str>>::new();
    for (name, needs) in graph {
        for need in needs {
            needed_by.entry(need).or_default().push(name);
        }
    }
    let mut free: Vec<&str> = graph
        .iter()
        .filter(|(_, needs)| needs.is_empty())
        .map(|(name, _)| name.as_str())
        .collect();
    while let Some(name) = free.pop() {
        left.remove(name);
        for waiting in needed_by.get(name).into_iter().flatten() {
            if let Some(needs) = left.get_mut(*waiting) {
                needs.remove(name);
                if needs.is_empty() {
                    free.push(waiting);
                }
            }
        }
    }
    // What waits for a circle without being in one is taken off from the other side.
    loop {
        let needed: BTreeSet<String> = left.values().flatten().cloned().collect();
        let before = left.len();
        left.retain(|name, _| needed.contains(name));
        if left.len() == before {
            break;
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = left.keys().map(String::as_str).collect();
    Err(TemplateError(format!(
        "Circular dependency between resources: [{}]",
        names.join(", ")
    )))
}
