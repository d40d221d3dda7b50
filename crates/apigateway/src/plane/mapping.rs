//! Parameter mappings: `integration.request.header.X` from `method.request.querystring.y`, and the like.

use super::call::Call;
use super::integrate::Answer;
use serde_json::Value;
use std::collections::BTreeMap;

/// The value that a mapping's source has for this call; `None` when there is none.
pub(crate) fn source(
    source: &str,
    call: &Call,
    context: &Value,
    stage_variables: Option<&BTreeMap<String, String>>,
) -> Option<String> {
    if let Some(text) = source.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return Some(text.to_owned());
    }
    if let Some(name) = source.strip_prefix("stageVariables.") {
        return stage_variables?.get(name).cloned();
    }
    if let Some(path) = source.strip_prefix("context.") {
        return text(context.pointer(&format!("/{}", path.replace('.', "/")))?);
    }
    let rest = source.strip_prefix("method.request.")?;
    if rest == "body" {
        return Some(String::from_utf8_lossy(&call.body).into_owned());
    }
    let (place, name) = rest.split_once('.')?;
    match place {
        "header" => call.header(&name.to_ascii_lowercase()).map(Into::into),
        "multivalueheader" => joined(&call.headers, |own| own.eq_ignore_ascii_case(name)),
        "querystring" => call
            .query
            .iter()
            .rev()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.clone()),
        "multivaluequerystring" => joined(&call.query, |own| own == name),
        "path" => call.path_parameters.get(name).cloned(),
        "body" => {
            let body: Value = serde_json::from_slice(&call.body).ok()?;
            text(&crate::json_path::find(&body, &format!("$.{name}"))?)
        }
        _ => None,
    }
}

fn joined(values: &[(String, String)], is: impl Fn(&str) -> bool) -> Option<String> {
    let found: Vec<&str> = values
        .iter()
        .filter(|(own, _)| is(own))
        .map(|(_, value)| value.as_str())
        .collect();
    (!found.is_empty()).then(|| found.join(","))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The value of a mapping of a response: from what the integration answered, or from the call.
pub(crate) fn of_response(
    from: &str,
    answer: &Answer,
    call: &Call,
    context: &Value,
    stage_variables: Option<&BTreeMap<String, String>>,
) -> Option<String> {
    let Some(rest) = from.strip_prefix("integration.response.") else {
        return source(from, call, context, stage_variables);
    };
    if rest == "body" {
        return Some(String::from_utf8_lossy(&answer.body).into_owned());
    }
    let (place, name) = rest.split_once('.')?;
    match place {
        "header" => answer
            .headers
            .iter()
            .rev()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone()),
        "multivalueheader" => joined(&answer.headers, |own| own.eq_ignore_ascii_case(name)),
        "body" => {
            let body: Value = serde_json::from_slice(&answer.body).ok()?;
            text(&crate::json_path::find(&body, &format!("$.{name}"))?)
        }
        _ => None,
    }
}

/// What a request's mappings give the integration: headers, query and path variables.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Mapped {
    pub headers: Vec<(String, String)>,
    pub query: Vec<(String, String)>,
    pub path: BTreeMap<String, String>,
}

pub(crate) fn request(mappings: Option<&BTreeMap<String, String>>, call: &Call, context: &Value) -> Mapped {
    let mut mapped = Mapped::default();
    for (target, from) in mappings.into_iter().flatten() {
        let Some(value) = source(from, call, context, call.stage_variables.as_ref()) else {
            continue;
        };
        let place = target
            .strip_prefix("integration.request.")
            .and_then(|rest| rest.split_once('.'));
        match place {
            Some(("header", name)) => mapped.headers.push((name.into(), value)),
            Some(("querystring", name)) => mapped.query.push((name.into(), value)),
            Some(("path", name)) => {
                mapped.path.insert(name.into(), value);
            }
            _ => {}
        }
    }
    mapped
}
