//! The event that a function with proxy integration is given. Source:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html>.

use super::binary;
use super::call::Call;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// The event for a call. `binary_types` are the API's.
pub(crate) fn proxy(call: &Call, binary_types: &[String]) -> Value {
    let (body, is_base64) = body(call, binary_types);
    json!({
        "resource": call.resource_path,
        "path": call.path,
        "httpMethod": call.http_method,
        "headers": single(&call.headers),
        "multiValueHeaders": multi(&call.headers),
        "queryStringParameters": none_if_empty(single(&call.query)),
        "multiValueQueryStringParameters": none_if_empty(multi(&call.query)),
        "pathParameters": parameters(&call.path_parameters),
        "stageVariables": call.stage_variables.as_ref().map_or(Value::Null, parameters),
        "requestContext": call.context(),
        "body": body,
        "isBase64Encoded": is_base64,
    })
}

/// The event for an authorizer that looks at the whole request.
pub(crate) fn authorizer(call: &Call, method_arn: &str) -> Value {
    let mut context = call.context();
    if let Value::Object(members) = &mut context {
        members.shift_remove("authorizer");
    }
    json!({
        "type": "REQUEST",
        "methodArn": method_arn,
        "resource": call.resource_path,
        "path": call.path,
        "httpMethod": call.http_method,
        "headers": single(&call.headers),
        "multiValueHeaders": multi(&call.headers),
        "queryStringParameters": single(&call.query),
        "multiValueQueryStringParameters": multi(&call.query),
        "pathParameters": call.path_parameters,
        "stageVariables": call.stage_variables.clone().unwrap_or_default(),
        "requestContext": context,
    })
}

fn body(call: &Call, binary_types: &[String]) -> (Value, bool) {
    if call.body.is_empty() {
        return (Value::Null, false);
    }
    let kind = call.header("content-type").unwrap_or("application/json");
    if binary::is_binary(kind, binary_types) {
        return (STANDARD.encode(&call.body).into(), true);
    }
    (String::from_utf8_lossy(&call.body).into(), false)
}

/// The last value of each name, in the order of the names.
fn single(values: &[(String, String)]) -> Value {
    let mut names: Vec<&(String, String)> = values.iter().collect();
    names.sort_by(|a, b| a.0.cmp(&b.0));
    Value::Object(
        names
            .into_iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect(),
    )
}

/// All values of each name.
fn multi(values: &[(String, String)]) -> Value {
    let mut names: Vec<&(String, String)> = values.iter().collect();
    names.sort_by(|a, b| a.0.cmp(&b.0));
    let mut all = Map::new();
    for (name, value) in names {
        match all.entry(name.as_str()).or_insert_with(|| Value::Array(Vec::new())) {
            Value::Array(items) => items.push(value.as_str().into()),
            _ => continue,
        }
    }
    Value::Object(all)
}

fn none_if_empty(value: Value) -> Value {
    match &value {
        Value::Object(members) if members.is_empty() => Value::Null,
        _ => value,
    }
}

fn parameters(values: &std::collections::BTreeMap<String, String>) -> Value {
    if values.is_empty() {
        return Value::Null;
    }
    json!(values)
}
