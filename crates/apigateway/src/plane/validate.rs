//! Request validators: parameters that must be there, and bodies that must fit a model.

use super::call::Call;
use super::compiled::CompiledMethod;
use super::failure::Failure;
use serde_json::Value;

/// Checks what the method's validator checks.
pub(crate) fn check(call: &Call, method: &CompiledMethod) -> Result<(), Failure> {
    let Some(validator) = &method.validator else {
        return Ok(());
    };
    if validator.validate_request_parameters == Some(true) {
        check_parameters(call, method)?;
    }
    if validator.validate_request_body == Some(true) {
        check_body(call, method)?;
    }
    Ok(())
}

fn check_parameters(call: &Call, method: &CompiledMethod) -> Result<(), Failure> {
    let required = method
        .method
        .request_parameters
        .iter()
        .flatten()
        .filter(|(_, required)| **required);
    let missing: Vec<&str> = required
        .filter_map(|(location, _)| location.strip_prefix("method.request.")?.split_once('.'))
        .filter(|(place, name)| {
            let value = match *place {
                "header" => call.header(&name.to_ascii_lowercase()),
                "path" => call.path_parameters.get(*name).map(String::as_str),
                _ => call
                    .query
                    .iter()
                    .find(|(own, _)| own == name)
                    .map(|(_, value)| value.as_str()),
            };
            value.is_none_or(str::is_empty)
        })
        .map(|(_, name)| name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::bad_parameters(format!(
        "Missing required request parameters: [{}]",
        missing.join(", ")
    )))
}

fn check_body(call: &Call, method: &CompiledMethod) -> Result<(), Failure> {
    let schemas = &method.schemas;
    let Some(schema) = schemas.get(call.content_type()).or_else(|| schemas.get("$default")) else {
        return Ok(());
    };
    let body: &[u8] = if call.body.is_empty() { b"{}" } else { &call.body };
    let body: Value = serde_json::from_slice(body).map_err(|error| Failure::bad_body(error.to_string()))?;
    schema.validate(&body).map_err(Failure::bad_body)
}
