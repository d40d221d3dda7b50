//! Calls from inside the platform: no HTTP and no signature, everything else as from outside.

use super::dispatcher;
use danbi_core::{AccountId, Api, ApiCall, Principal, RequestContext, Scope, ServiceError};
use danbi_wire::ApiDoor;
use serde_json::{Value, json};
use std::sync::Arc;

async fn call(service: &str, operation: &str, input: Value) -> Result<Value, ServiceError> {
    let (door, dispatcher) = (ApiDoor::default(), Arc::new(dispatcher()));
    door.open(&dispatcher);
    let scope = Scope {
        account: AccountId::default(),
        region: "eu-central-1".parse().expect("a region"),
    };
    let context = RequestContext::inside(scope, Principal::Root(AccountId::default()), None);
    door.call(&context, ApiCall::new(service, operation, input)).await
}

async fn refused(service: &str, operation: &str, input: Value) -> (u16, &'static str) {
    let error = call(service, operation, input).await.expect_err("a refusal");
    (error.status, error.code)
}

#[tokio::test]
async fn every_protocol_is_asked_in_the_same_form() {
    let answer = call("lambda", "Invoke", json!({"FunctionName": "f", "Payload": "aGk="})).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer["StatusCode"], 202);
    assert_eq!(answer["Payload"], "aGk=", "blobs are base64");
    assert_eq!(
        call("logs", "CreateLogGroup", json!({"logGroupName": "g"})).await,
        Ok(Value::Null)
    );
    let who = call("sts", "GetCallerIdentity", json!({})).await.expect("an answer");
    assert_eq!(who["Account"], "000000000000");
    let stored = call(
        "s3",
        "PutObject",
        json!({"Bucket": "b", "Key": "k", "Body": "aGVsbG8="}),
    )
    .await;
    assert_eq!(stored.expect("an answer")["ETag"], "root b/k Some(5) None hello ");
    let item = call("dynamodb", "GetItem", json!({"TableName": "t", "Key": {}})).await;
    assert_eq!(item.expect("an answer")["At"], 1.5);
}

#[tokio::test]
async fn input_is_validated_and_the_authorizer_is_asked() {
    for (service, operation, input, expected) in [
        ("nothing", "Do", json!({}), (404, "UnknownOperationException")),
        ("logs", "Do", json!({}), (404, "UnknownOperationException")),
        ("lambda", "CreateAlias", json!({}), (501, "NotImplementedException")),
        ("logs", "CreateLogGroup", json!({}), (400, "InvalidParameterException")),
        (
            "logs",
            "CreateLogGroup",
            json!({"logGroupName": "g", "tags": "none"}),
            (400, "SerializationException"),
        ),
        (
            "logs",
            "CreateLogGroup",
            json!({"logGroupName": "taken"}),
            (400, "ResourceAlreadyExistsException"),
        ),
        (
            "logs",
            "CreateLogGroup",
            json!({"logGroupName": "forbidden"}),
            (403, "AccessDeniedException"),
        ),
        (
            "logs",
            "CreateLogGroup",
            json!({"logGroupName": "panic"}),
            (500, "InternalFailure"),
        ),
    ] {
        assert_eq!(
            refused(service, operation, input.clone()).await,
            expected,
            "{service} {operation} {input}"
        );
    }
}

#[tokio::test]
async fn a_door_that_leads_nowhere_says_so() {
    let context = RequestContext::inside(
        Scope {
            account: AccountId::default(),
            region: "eu-central-1".parse().expect("a region"),
        },
        Principal::Anonymous,
        None,
    );
    let call = ApiCall::new("logs", "CreateLogGroup", json!({}));
    let error = ApiDoor::default().call(&context, call).await.expect_err("a refusal");
    assert_eq!((error.status, error.code), (503, "ServiceUnavailableException"));
}
