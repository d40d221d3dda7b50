use super::*;
use crate::models::{LAMBDA, LOGS};

fn messages(model: &Model, operation: &str, input: serde_json::Value) -> String {
    let member = model.operation(operation).unwrap().input.clone().unwrap();
    validate(model, &member, &from_json(input)).err().unwrap_or_default()
}

fn from_json(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map_or_else(|| Value::Float(number.as_f64().unwrap()), Value::Integer),
        serde_json::Value::String(text) => Value::String(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(from_json).collect()),
        serde_json::Value::Object(map) => {
            Value::Map(map.into_iter().map(|(key, value)| (key, from_json(value))).collect())
        }
    }
}

fn lambda(operation: &str, input: serde_json::Value) -> String {
    messages(LAMBDA.get(), operation, input)
}

#[test]
fn aws_words_a_missing_member_so() {
    assert_eq!(
        messages(
            LOGS.get(),
            "PutLogEvents",
            serde_json::json!({"logGroupName": "g", "logStreamName": "s"})
        ),
        "1 validation error detected: Value null at 'logEvents' failed to satisfy constraint: Member must not be null"
    );
}

#[test]
fn items_of_simple_lists_are_reported_by_their_list() {
    let input = serde_json::json!({"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r",
        "Code": {}, "Architectures": ["X86_64"]});
    assert_eq!(
        lambda("CreateFunction", input),
        "1 validation error detected: Value '[X86_64]' at 'architectures' failed to satisfy constraint: Member must \
         satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"
    );
    let input = serde_json::json!({"FunctionName": "f", "Role": "arn:aws:iam::000000000000:role/r",
        "Code": {}, "Architectures": ["x86_64", "arm64"]});
    assert_eq!(
        lambda("CreateFunction", input),
        "1 validation error detected: Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member \
         must have length less than or equal to 1"
    );
}

#[test]
fn map_values_are_reported_by_their_map() {
    let input = serde_json::json!({"FunctionName": "f", "Name": "a", "FunctionVersion": "1",
        "RoutingConfig": {"AdditionalVersionWeights": {"2": 2.0}}});
    assert_eq!(
        lambda("CreateAlias", input),
        "1 validation error detected: Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to satisfy \
         constraint: Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must \
         have value greater than or equal to 0.0, Member must not be null]"
    );
    let input = serde_json::json!({"FunctionName": "f", "Name": "a", "FunctionVersion": "1",
        "RoutingConfig": {"AdditionalVersionWeights": {"$LATEST": 0.5}}});
    assert_eq!(
        lambda("CreateAlias", input),
        "1 validation error detected: Value '{$LATEST=0.5}' at 'routingConfig.additionalVersionWeights' failed to \
         satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 1024, \
         Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]"
    );
}

#[test]
fn several_errors_are_one_message() {
    let input = serde_json::json!({"FunctionName": "f", "Role": "r1", "Code": {}, "Timeout": 0});
    let message = lambda("CreateFunction", input);
    assert!(
        message.starts_with("2 validation errors detected: Value '"),
        "{message}"
    );
    assert!(
        message.contains(
            "Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:"
        ),
        "{message}"
    );
    assert!(
        message.contains(
            "; Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1"
        ),
        "{message}"
    );
}

#[test]
fn items_that_are_structures_are_reported_one_by_one() {
    let input = serde_json::json!({"logGroupName": "g", "logStreamName": "s",
        "logEvents": [{"timestamp": 1, "message": "m"}, {"timestamp": 1}]});
    assert_eq!(
        messages(LOGS.get(), "PutLogEvents", input),
        "1 validation error detected: Value null at 'logEvents.2.member.message' failed to satisfy constraint: Member \
         must not be null"
    );
}
