//! Operations that serde reads and writes by itself, as DynamoDB's are.

use super::{Answer, request, send, sign};
use danbi_core::{Access, RequestContext, ServiceError, Timestamp};
use danbi_wire::{Empty, EpochSeconds, Operation, Service, models};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Tables {
    #[serde(rename = "TableNames")]
    names: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
pub struct Described {
    #[serde(rename = "Count")]
    count: usize,
    #[serde(rename = "At")]
    at: EpochSeconds,
}

pub struct GetItem;
impl Operation for GetItem {
    const NAME: &'static str = "GetItem";
    type Input = Tables;
    type Output = Described;
}

pub struct TagResource;
impl Operation for TagResource {
    const NAME: &'static str = "TagResource";
    type Input = Empty;
    type Output = Empty;
}

pub struct ListStreams;
impl Operation for ListStreams {
    const NAME: &'static str = "ListStreams";
    type Input = Empty;
    type Output = Described;
}

async fn get(_: Arc<()>, _: RequestContext, input: Tables) -> Result<Described, ServiceError> {
    match input.names.first().map(String::as_str) {
        Some("cancelled") => Err(
            ServiceError::client("TransactionCanceledException", 400, "cancelled").with_json(
                "CancellationReasons",
                serde_json::json!([{"Code": "None"}, {"Item": {"a": {"S": "b"}}}]),
            ),
        ),
        Some("long") => Err(ServiceError::client("ValidationException", 400, "x".repeat(10_000))),
        Some("invalid") => Err(ServiceError::client("ValidationException", 400, "no")),
        _ => Ok(Described {
            count: input.names.len(),
            at: EpochSeconds(Timestamp::from_millis(1_500)),
        }),
    }
}

pub fn service() -> Service {
    Service::builder(&models::DYNAMODB, Arc::new(()))
        .on_json(
            GetItem,
            |_, _, input: &Tables| {
                let access = |name: &String| Access::new("dynamodb:GetItem", name);
                Ok(input.names.iter().map(access).collect::<Vec<_>>())
            },
            get,
        )
        .on_json(
            TagResource,
            |_, _, _| Ok(Access::any("dynamodb:TagResource")),
            |_, _, _| async { Ok::<_, ServiceError>(Empty {}) },
        )
        .body_limit(5_000)
        .build()
}

pub fn streams() -> Service {
    Service::builder(&models::DYNAMODB_STREAMS, Arc::new(()))
        .on_json(
            ListStreams,
            |_, _, _| Ok(Access::any("dynamodb:ListStreams")),
            |_, _, _| async { Ok::<_, ServiceError>(Described::default()) },
        )
        .build()
}

async fn ask(target: &str, body: &str) -> Answer {
    let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target)];
    let answer = send(sign(request("POST", "/", &headers, body.to_owned()), "dynamodb")).await;
    assert_eq!(answer.header("content-type"), "application/x-amz-json-1.0");
    assert_eq!(answer.header("x-amz-crc32"), crc32fast::hash(&answer.body).to_string());
    answer
}

#[tokio::test]
async fn serde_reads_and_writes() {
    let answer = ask("DynamoDB_20120810.GetItem", r#"{"TableNames":["a","b"]}"#).await;
    assert_eq!((answer.status, answer.text()), (200, r#"{"Count":2,"At":1.5}"#));
    let answer = ask("DynamoDB_20120810.TagResource", "{}").await;
    assert_eq!((answer.status, answer.text()), (200, ""));
}

#[tokio::test]
async fn the_target_decides_between_services_of_one_signing_name() {
    let answer = ask("DynamoDBStreams_20120810.ListStreams", "{}").await;
    assert_eq!((answer.status, answer.text()), (200, r#"{"Count":0,"At":0}"#));
    let answer = ask("DynamoDB_20120810.ListStreams", "{}").await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json()["__type"],
        "com.amazon.coral.service#UnknownOperationException"
    );
}

#[tokio::test]
async fn errors_are_dynamodbs() {
    let kind = |answer: &Answer| answer.json()["__type"].as_str().unwrap().to_owned();
    let answer = ask("DynamoDB_20120810.GetItem", r#"{"TableNames":["cancelled"]}"#).await;
    assert_eq!(
        kind(&answer),
        "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
    );
    assert_eq!(
        answer.json()["CancellationReasons"][1]["Item"]["a"]["S"],
        "b",
        "{}",
        answer.text()
    );
    let answer = ask("DynamoDB_20120810.GetItem", r#"{"TableNames":["invalid"]}"#).await;
    assert_eq!(kind(&answer), "com.amazon.coral.validate#ValidationException");
    assert_eq!(answer.json()["message"], "no");
    let answer = ask("DynamoDB_20120810.GetItem", r#"{"TableNames":[7]}"#).await;
    assert_eq!(
        (answer.status, kind(&answer).as_str()),
        (400, "com.amazon.coral.service#SerializationException")
    );
    assert!(answer.text().contains("NUMBER_VALUE cannot be converted to String"));
    let answer = ask("DynamoDB_20120810.GetItem", r#"{"TableNames":["a","forbidden"]}"#).await;
    assert_eq!(kind(&answer), "com.amazon.coral.service#AccessDeniedException");
    let large = format!(r#"{{"TableNames":["{}"]}}"#, "x".repeat(6_000));
    assert_eq!(ask("DynamoDB_20120810.GetItem", &large).await.status, 413);
}
