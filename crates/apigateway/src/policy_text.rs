//! The resource policy of an API as text: what API Gateway does to it on its way in and out.

use crate::{ApiGateway, Error};
use danbi_core::Scope;
use serde_json::Value;

/// Largest policy, in bytes: AWS's quota.
const MAX_BYTES: usize = 8192;

/// A policy that can be decided with, its abbreviated resources (`execute-api:/stage/GET/*`) written out.
pub(crate) fn expanded(gateway: &ApiGateway, scope: &Scope, api: &str, text: &str) -> Result<String, Error> {
    let invalid =
        || Error::bad("Invalid policy document. Please check the policy syntax and ensure that Principals are valid.");
    if text.len() > MAX_BYTES {
        return Err(Error::bad("The resource policy is larger than 8192 bytes."));
    }
    let mut policy: Value = serde_json::from_str(text).map_err(|_| invalid())?;
    let arn = format!("arn:aws:execute-api:{}:{}:{api}/", scope.region, scope.account);
    let write_out = |value: &mut Value| {
        if let Some(rest) = value.as_str().and_then(|text| text.strip_prefix("execute-api:/")) {
            *value = Value::from(format!("{arn}{rest}"));
        }
    };
    let statements = match policy.get_mut("Statement") {
        Some(Value::Array(statements)) => statements.iter_mut().collect(),
        Some(statement) => vec![statement],
        None => return Err(invalid()),
    };
    for statement in statements {
        for name in ["Resource", "NotResource"] {
            match statement.get_mut(name) {
                Some(Value::Array(items)) => items.iter_mut().for_each(write_out),
                Some(value) => write_out(value),
                None => {}
            }
        }
    }
    let text = policy.to_string();
    gateway
        .parts
        .language
        .check_resource_policy(&text)
        .map_err(|_| invalid())?;
    Ok(text)
}

/// The text as API Gateway shows it: with its quotes escaped, as it would stand inside a JSON string.
pub(crate) fn escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted
        .get(1..quoted.len().saturating_sub(1))
        .unwrap_or_default()
        .to_owned()
}
