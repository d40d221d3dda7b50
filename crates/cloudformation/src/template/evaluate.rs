//! Values of a template in a stack: parameters, conditions and resources put in their places.
//!
//! What only a deployment knows (the id of a resource that is not made yet) is a [`later`] value: functions over it are
//! later themselves. So one evaluation serves the check before a stack exists, the comparison of change sets and the
//! deployment.

use super::dynamic;
use super::functions;
use super::parameters::{self, Given};
use super::references::call;
use super::{Template, TemplateError};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The pseudo-parameters of a stack.
#[derive(Debug, Clone)]
pub(crate) struct Pseudo {
    pub account: String,
    pub region: String,
    pub stack_id: String,
    pub stack_name: String,
    pub notification_arns: Vec<String>,
}

/// Where the values of resources come from.
pub(crate) trait Resources: Sync {
    /// What `Ref` gives.
    fn reference(&self, id: &str) -> Result<Value, TemplateError>;
    /// What `Fn::GetAtt` gives.
    fn attribute(&self, id: &str, attribute: &str) -> Result<Value, TemplateError>;
}

/// Nothing is made yet.
pub(crate) struct NothingYet;

impl Resources for NothingYet {
    fn reference(&self, id: &str) -> Result<Value, TemplateError> {
        Ok(later(id, None))
    }
    fn attribute(&self, id: &str, attribute: &str) -> Result<Value, TemplateError> {
        Ok(later(id, Some(attribute)))
    }
}

/// No template can have a key with a NUL that means this: see [`is_later`].
const LATER: &str = "\u{0}later";

/// A value that the resource `id` will have.
pub(crate) fn later(id: &str, attribute: Option<&str>) -> Value {
    json!({ LATER: [[id, attribute]] })
}

/// Whether the value is not known yet.
pub(crate) fn is_later(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.contains_key(LATER))
}

/// The resources and attributes that a value waits for, anywhere in it.
pub(crate) fn sources(value: &Value, out: &mut Vec<(String, Option<String>)>) {
    match value {
        Value::Object(map) => match map.get(LATER) {
            Some(Value::Array(list)) => {
                for source in list {
                    let id = source.get(0).and_then(Value::as_str).unwrap_or_default().to_owned();
                    let attribute = source.get(1).and_then(Value::as_str).map(str::to_owned);
                    if !out.contains(&(id.clone(), attribute.clone())) {
                        out.push((id, attribute));
                    }
                }
            }
            _ => map.values().for_each(|inner| sources(inner, out)),
        },
        Value::Array(items) => items.iter().for_each(|inner| sources(inner, out)),
        _ => {}
    }
}

/// A later value that waits for all that `values` wait for; `None` when they are known.
pub(super) fn later_of<'v>(values: impl IntoIterator<Item = &'v Value>) -> Option<Value> {
    let mut all = Vec::new();
    values.into_iter().for_each(|value| sources(value, &mut all));
    (!all.is_empty()).then(|| json!({ LATER: all }))
}

/// What values are computed with.
pub(crate) struct Evaluator<'a> {
    pub template: &'a Template,
    pub parameters: &'a BTreeMap<String, Given>,
    pub pseudo: &'a Pseudo,
    pub exports: &'a BTreeMap<String, String>,
    pub resources: &'a dyn Resources,
    conditions: BTreeMap<&'a str, OnceLock<bool>>,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(
        template: &'a Template,
        parameters: &'a BTreeMap<String, Given>,
        pseudo: &'a Pseudo,
        exports: &'a BTreeMap<String, String>,
        resources: &'a dyn Resources,
    ) -> Self {
        Self {
            template,
            parameters,
            pseudo,
            exports,
            resources,
            conditions: template
                .conditions
                .keys()
                .map(|name| (name.as_str(), OnceLock::new()))
                .collect(),
        }
    }

    /// Whether a condition holds.
    pub(crate) fn condition(&self, name: &str) -> Result<bool, TemplateError> {
        self.condition_within(name, 0)
    }

    pub(super) fn condition_within(&self, name: &str, depth: usize) -> Result<bool, TemplateError> {
        let (Some(slot), Some(value)) = (self.conditions.get(name), self.template.conditions.get(name)) else {
            return Err(TemplateError::format(format!(
                "Unresolved condition dependency {name} in the Conditions block of the template"
            )));
        };
        if let Some(known) = slot.get() {
            return Ok(*known);
        }
        if depth > 50 {
            return Err(TemplateError(format!(
                "Circular dependency between conditions: [{name}]"
            )));
        }
        let truth = functions::truth(self, value, depth + 1)?;
        Ok(*slot.get_or_init(|| truth))
    }

    /// Whether a resource is part of the stack.
    pub(crate) fn is_active(&self, id: &str) -> Result<bool, TemplateError> {
        match self.template.resources.get(id).map(|resource| &resource.condition) {
            None => Ok(false),
            Some(None) => Ok(true),
            Some(Some(condition)) => self.condition(condition),
        }
    }

    /// The value with all functions computed; `None` for `AWS::NoValue`.
    pub(crate) fn value(&self, value: &Value) -> Result<Option<Value>, TemplateError> {
        if let Some((name, argument)) = call(value) {
            return match name {
                "Ref" => self.reference(argument),
                _ => functions::compute(self, name, argument),
            };
        }
        Ok(Some(match value {
            Value::Object(map) => {
                let mut out = Map::new();
                for (key, inner) in map {
                    if let Some(inner) = self.value(inner)? {
                        out.insert(key.clone(), inner);
                    }
                }
                Value::Object(out)
            }
            Value::Array(items) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    out.extend(self.value(item)?);
                }
                Value::Array(out)
            }
            Value::String(text) => {
                dynamic::check(text)?;
                value.clone()
            }
            other => other.clone(),
        }))
    }

    fn reference(&self, argument: &Value) -> Result<Option<Value>, TemplateError> {
        let Value::String(name) = argument else {
            return Err(TemplateError::error("Ref must be a string."));
        };
        self.named(name)
    }

    /// What `Ref: name` is.
    pub(super) fn named(&self, name: &str) -> Result<Option<Value>, TemplateError> {
        let pseudo = self.pseudo;
        if let Some(declared) = self.template.parameters.get(name) {
            return Ok(self
                .parameters
                .get(name)
                .map(|given| parameters::reference(declared, given)));
        }
        Ok(Some(match name {
            "AWS::NoValue" => return Ok(None),
            "AWS::AccountId" => Value::String(pseudo.account.clone()),
            "AWS::Region" => Value::String(pseudo.region.clone()),
            "AWS::StackId" => Value::String(pseudo.stack_id.clone()),
            "AWS::StackName" => Value::String(pseudo.stack_name.clone()),
            "AWS::Partition" => Value::String("aws".to_owned()),
            "AWS::URLSuffix" => Value::String("amazonaws.com".to_owned()),
            "AWS::NotificationARNs" => pseudo.notification_arns.iter().cloned().map(Value::String).collect(),
            resource => {
                self.must_be_active(resource)?;
                self.resources.reference(resource)?
            }
        }))
    }

    pub(super) fn attribute(&self, resource: &str, attribute: &str) -> Result<Value, TemplateError> {
        self.must_be_active(resource)?;
        self.resources.attribute(resource, attribute)
    }

    fn must_be_active(&self, id: &str) -> Result<(), TemplateError> {
        if self.is_active(id)? {
            return Ok(());
        }
        Err(TemplateError::format(format!(
            "Unresolved resource dependencies [{id}] in the Resources block of the template"
        )))
    }
}
