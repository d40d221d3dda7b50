//! The Rules section: assertions over parameters, judged before a stack is made or changed.

use super::TemplateError;
use super::evaluate::Evaluator;
use super::references::call;
use serde_json::{Map, Value};

/// Checks every rule whose condition holds.
pub(crate) fn check(on: &Evaluator<'_>) -> Result<(), TemplateError> {
    for (name, rule) in &on.template.rules {
        if let Some(condition) = rule.get("RuleCondition")
            && !holds(on, condition)?
        {
            continue;
        }
        let Some(Value::Array(assertions)) = rule.get("Assertions") else {
            return Err(TemplateError::format(format!(
                "Rule {name} must have a list of Assertions."
            )));
        };
        for assertion in assertions {
            let Some(assert) = assertion.get("Assert") else {
                return Err(TemplateError::format(format!(
                    "Every assertion of rule {name} must have an Assert."
                )));
            };
            if !holds(on, assert)? {
                let words = assertion
                    .get("AssertDescription")
                    .and_then(Value::as_str)
                    .unwrap_or(name);
                return Err(TemplateError(format!("Template validation error: {words}")));
            }
        }
    }
    Ok(())
}

fn holds(on: &Evaluator<'_>, value: &Value) -> Result<bool, TemplateError> {
    let list = |value: &Value| match on.value(value)? {
        Some(Value::Array(items)) => Ok(items),
        Some(one) => Ok(vec![one]),
        None => Ok(Vec::new()),
    };
    let pair = |argument: &Value| match argument.as_array().map(Vec::as_slice) {
        Some([a, b]) => Ok((list(a)?, list(b)?)),
        _ => Err(TemplateError::format("A rule's function requires two parameters.")),
    };
    match call(value) {
        Some(("Fn::Contains", argument)) => {
            let (all, some) = pair(argument)?;
            Ok(some.iter().all(|one| all.contains(one)))
        }
        Some(("Fn::EachMemberEquals", argument)) => {
            let (all, some) = pair(argument)?;
            Ok(all.iter().all(|one| some.first() == Some(one)))
        }
        Some(("Fn::EachMemberIn", argument)) => {
            let (all, some) = pair(argument)?;
            Ok(all.iter().all(|one| some.contains(one)))
        }
        Some(("Fn::Not", Value::Array(items))) if items.len() == 1 => Ok(!holds(on, &items[0])?),
        Some((name @ ("Fn::And" | "Fn::Or"), Value::Array(items))) => {
            let mut truths = Vec::new();
            for item in items {
                truths.push(holds(on, item)?);
            }
            Ok(if name == "Fn::And" {
                truths.iter().all(|one| *one)
            } else {
                truths.iter().any(|one| *one)
            })
        }
        Some((name @ "Fn::Equals", argument)) => {
            let call = Value::Object(Map::from_iter([(name.to_owned(), argument.clone())]));
            Ok(on.value(&call)? == Some(Value::Bool(true)))
        }
        Some((name, _)) => Err(TemplateError::format(format!(
            "{name} is not a function of rules on this platform."
        ))),
        None => Err(TemplateError::format("A rule must be a function.")),
    }
}
