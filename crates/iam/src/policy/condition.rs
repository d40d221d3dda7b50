//! The `Condition` element: which values of which keys, and how many of them.

use super::document::PolicyError;
use super::operators::Operator;
use super::pattern::{Pattern, Variables};
use super::request::{ContextKeys, Request};
use serde_json::Value;
use std::collections::BTreeSet;

/// Over how many of a key's values an operator goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    /// The key has one value.
    Plain,
    /// `ForAllValues:`; true for none.
    All,
    /// `ForAnyValue:`; false for none.
    Any,
}

/// One operator on one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    quantifier: Quantifier,
    operator: Operator,
    if_exists: bool,
    key: String,
    values: Vec<Pattern>,
}

impl Condition {
    /// Reads the whole element.
    pub(super) fn parse_all(value: &Value, variables: Variables) -> Result<Vec<Self>, PolicyError> {
        let operators = value.as_object().ok_or(PolicyError::Syntax)?;
        let mut all = Vec::new();
        for (name, keys) in operators {
            for (key, values) in keys.as_object().ok_or(PolicyError::Syntax)? {
                all.push(Self::parse(name, key, values, variables)?);
            }
        }
        Ok(all)
    }

    fn parse(name: &str, key: &str, values: &Value, variables: Variables) -> Result<Self, PolicyError> {
        let (quantifier, name) = match name.split_once(':') {
            None => (Quantifier::Plain, name),
            Some(("ForAllValues", name)) => (Quantifier::All, name),
            Some(("ForAnyValue", name)) => (Quantifier::Any, name),
            Some(_) => return Err(PolicyError::Syntax),
        };
        let (name, if_exists) = match name.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let operator = Operator::parse(name).ok_or(PolicyError::Syntax)?;
        if operator == Operator::Null && (if_exists || quantifier != Quantifier::Plain) {
            return Err(PolicyError::Syntax);
        }
        if !key.contains(':') {
            return Err(PolicyError::ConditionVendor);
        }
        let values: Vec<String> = match values {
            Value::Array(all) => all.iter().map(scalar).collect::<Option<_>>(),
            one => scalar(one).map(|one| vec![one]),
        }
        .ok_or(PolicyError::Syntax)?;
        let values = values
            .iter()
            .map(|text| Pattern::parse(text, variables, operator.wildcards()))
            .collect();
        Ok(Self {
            quantifier,
            operator,
            if_exists,
            key: key.into(),
            values,
        })
    }

    /// Adds the names of the keys that the condition asks for.
    pub(super) fn context_keys(&self, keys: &mut BTreeSet<String>) {
        keys.insert(self.key.clone());
        for pattern in &self.values {
            keys.extend(pattern.variables().map(str::to_owned));
        }
    }

    /// Whether the request's context meets it.
    pub(super) fn holds(&self, request: &Request<'_>) -> bool {
        let context = request.context;
        let present = context.get(&self.key);
        if self.operator == Operator::Null {
            let wanted = self
                .values
                .iter()
                .any(|value| value.text(context).as_deref() == Some("true"));
            return present.is_none_or(<[String]>::is_empty) == wanted;
        }
        let values = match present {
            None if self.if_exists => return true,
            None | Some([]) => {
                return match self.quantifier {
                    Quantifier::All => true,
                    Quantifier::Any => false,
                    // `StringNotEquals` and its like hold for a key that is not there.
                    Quantifier::Plain => self.operator.is_negated(),
                };
            }
            Some(values) => values,
        };
        match self.quantifier {
            Quantifier::All => values.iter().all(|value| self.holds_for(value, context)),
            Quantifier::Any => values.iter().any(|value| self.holds_for(value, context)),
            Quantifier::Plain if self.operator.is_negated() => {
                values.iter().all(|value| self.holds_for(value, context))
            }
            Quantifier::Plain => values.iter().any(|value| self.holds_for(value, context)),
        }
    }

    /// For one value of the key: is it one of the policy's values, or, negated, none of them?
    fn holds_for(&self, value: &str, context: &ContextKeys) -> bool {
        let matched = self
            .values
            .iter()
            .any(|pattern| self.operator.matches(pattern, value, context));
        matched != self.operator.is_negated()
    }
}

/// Condition values are texts, but numbers and booleans may be written plainly.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
