use crate::callback;
use crate::providers::{Failure, Made, Outcome, Provider, Work};
use crate::template::parameters::text_of;
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// AWS::CloudFormation::CustomResource and Custom::*: a function (or a topic) that makes the resource.
/// Source: CloudFormation's "Custom resource reference".
pub(super) struct CustomResource;

/// How long an answer is waited for when the template does not say.
const LONGEST: u64 = 3_600;

/// Custom resources get text where the template has numbers and booleans.
fn texts(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), texts(value))).collect()),
        Value::Array(items) => items.iter().map(texts).collect(),
        other => Value::String(text_of(other)),
    }
}

/// Asks and waits for the answer.
async fn ask(work: &Work<'_>, request: &str, physical: Option<&str>) -> Outcome<Value> {
    let target = work.must("ServiceToken")?;
    let seconds = work
        .text("ServiceTimeout")
        .and_then(|text| text.parse().ok())
        .unwrap_or(LONGEST)
        .clamp(1, LONGEST);
    let lasts = Duration::from_secs(seconds);
    let internal = |error: crate::Error| Failure::new("InternalFailure", error.to_string());
    let token = work
        .engine
        .open_link(&work.stack.uuid, work.logical_id, work.token, lasts)
        .await
        .map_err(internal)?;
    let mut event = json!({
        "RequestType": request,
        "ServiceToken": target,
        "ResponseURL": callback::url(work.engine, &work.context.scope, &token),
        "StackId": work.stack.id,
        "RequestId": work.token,
        "LogicalResourceId": work.logical_id,
        "ResourceType": work.kind,
        "ResourceProperties": texts(work.properties),
    });
    if let Some(physical) = physical {
        event["PhysicalResourceId"] = json!(physical);
    }
    if request == "Update" {
        event["OldResourceProperties"] = texts(work.old.unwrap_or(&Value::Null));
    }
    // A repetition after a crash asks again only if no answer has come: functions are told the same request id.
    let has_answer = !super::answers(work, &token).await?.is_empty();
    if !has_answer && target.contains(":sns:") {
        work.call(
            "sns",
            "Publish",
            json!({ "TopicArn": target, "Message": event.to_string() }),
        )
        .await?;
    } else if !has_answer {
        let payload = STANDARD.encode(event.to_string());
        let input = json!({ "FunctionName": target, "InvocationType": "Event", "Payload": payload });
        work.call("lambda", "Invoke", input).await?;
    }
    let look = || async { Ok(super::answers(work, &token).await?.into_values().next()) };
    let answer = super::wait(work, lasts, look).await?;
    work.engine.close_link(&token).await.map_err(internal)?;
    let answer = answer.ok_or_else(|| {
        Failure::new(
            "NotStabilized",
            format!(
                "CloudFormation did not receive a response from your Custom Resource. Please check your logs for \
                 requestId [{}]. If you are using the Python cfn-response module, you may need to update your Lambda \
                 function code so that CloudFormation can attach the updated version.",
                work.token
            ),
        )
    })?;
    serde_json::from_str(&answer)
        .map_err(|_| Failure::new("InvalidResponse", "Invalid response from the custom resource"))
}

fn judge(work: &Work<'_>, answer: &Value, physical: Option<&str>) -> Outcome<Made> {
    let id = answer
        .get("PhysicalResourceId")
        .map(text_of)
        .filter(|id| !id.is_empty() && id != "null");
    let id = id.or_else(|| physical.map(str::to_owned));
    if answer.get("Status").and_then(Value::as_str) != Some("SUCCESS") {
        let why = answer.get("Reason").map(text_of).unwrap_or_default();
        let message = format!(
            "Received response status [FAILED] from custom resource. Message returned: {why} (RequestId: {})",
            work.token
        );
        let failure = Failure::new("Failed", message);
        return Err(match id {
            Some(id) => failure.after(&id),
            None => failure,
        });
    }
    let id = id.ok_or_else(|| Failure::new("InvalidResponse", "Invalid PhysicalResourceId"))?;
    let mut made = Made::new(id);
    made.attributes = answer
        .get("Data")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_else(Map::new);
    Ok(made)
}

#[async_trait]
impl Provider for CustomResource {
    fn kind(&self) -> &'static str {
        "AWS::CloudFormation::CustomResource"
    }
    fn required(&self) -> &'static [&'static str] {
        &["ServiceToken"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["ServiceToken"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let answer = ask(work, "Create", None).await?;
        judge(work, &answer, None)
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let answer = ask(work, "Update", Some(id)).await?;
        judge(work, &answer, Some(id)).map_err(|mut failure| {
            failure.partial = None;
            failure
        })
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        let answer = ask(work, "Delete", Some(id)).await?;
        judge(work, &answer, Some(id)).map(drop)
    }
}
