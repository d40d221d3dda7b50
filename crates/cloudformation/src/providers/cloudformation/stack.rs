use crate::names::Naming;
use crate::providers::work::{and, output_text};
use crate::providers::{Failure, Made, Outcome, Provider, Work};
use crate::template::parameters::text_of;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::time::Duration;

/// AWS::CloudFormation::Stack: a stack in a stack.
pub(super) struct Stack;

/// How long a nested stack may take.
const LONGEST: Duration = Duration::from_secs(12 * 3600);

fn input(work: &Work<'_>) -> Value {
    let parameters = work.get("Parameters").as_object().map(|map| {
        let one = |(key, value): (&String, &Value)| {
            let value = match value {
                Value::Array(items) => items.iter().map(text_of).collect::<Vec<_>>().join(","),
                value => text_of(value),
            };
            json!({ "ParameterKey": key, "ParameterValue": value })
        };
        map.iter().map(one).collect::<Vec<_>>()
    });
    json!({
        "TemplateURL": work.get("TemplateURL"),
        "Parameters": parameters,
        "Tags": work.tag_list(),
        "Capabilities": work.stack.capabilities,
        "NotificationARNs": match work.get("NotificationARNs") { Value::Null => json!(work.stack.notification_arns), list => list.clone() },
        "RoleARN": work.stack.role_arn,
    })
}

/// Waits until the stack has nothing under way; its description, or nothing when it is gone.
async fn settled(work: &Work<'_>, id: &str) -> Outcome<Option<Value>> {
    let look = || async {
        match work
            .call("cloudformation", "DescribeStacks", json!({ "StackName": id }))
            .await
        {
            Ok(found) => {
                let stack = found.pointer("/Stacks/0").cloned().unwrap_or(Value::Null);
                let is_done = stack
                    .get("StackStatus")
                    .and_then(Value::as_str)
                    .is_some_and(|status| !status.ends_with("_IN_PROGRESS"));
                Ok(is_done.then_some(Some(stack)))
            }
            Err(failure) if failure.message.ends_with("does not exist") => Ok(Some(None)),
            Err(failure) => Err(failure),
        }
    };
    let found = super::wait(work, LONGEST, look).await?;
    found.ok_or_else(|| Failure::new("NotStabilized", format!("Embedded stack {id} did not settle")))
}

fn made(id: &str, stack: Option<Value>, wanted: &[&str]) -> Outcome<Made> {
    let status = stack
        .as_ref()
        .and_then(|stack| stack.get("StackStatus"))
        .and_then(Value::as_str)
        .unwrap_or("DELETE_COMPLETE");
    if !wanted.contains(&status) {
        let reason = stack
            .as_ref()
            .and_then(|stack| stack.get("StackStatusReason"))
            .and_then(Value::as_str)
            .unwrap_or("");
        let message = format!("Embedded stack {id} was not successfully created: {reason}");
        let message = if wanted.contains(&"UPDATE_COMPLETE") && !wanted.contains(&"UPDATE_ROLLBACK_COMPLETE") {
            format!("Embedded stack {id} was not successfully updated. Currently in {status} with reason: {reason}")
        } else {
            message
        };
        return Err(Failure::new("NotStabilized", message).after(id));
    }
    let mut made = Made::new(id);
    let outputs = stack
        .as_ref()
        .and_then(|stack| stack.get("Outputs"))
        .and_then(Value::as_array);
    for output in outputs.into_iter().flatten() {
        if let (Some(key), Some(value)) = (
            output.get("OutputKey").and_then(Value::as_str),
            output.get("OutputValue"),
        ) {
            made = made.with(&format!("Outputs.{key}"), value.clone());
        }
    }
    Ok(made)
}

#[async_trait]
impl Provider for Stack {
    fn kind(&self) -> &'static str {
        "AWS::CloudFormation::Stack"
    }
    fn required(&self) -> &'static [&'static str] {
        &["TemplateURL"]
    }
    fn takes_tags(&self) -> bool {
        true
    }
    fn always_updates(&self) -> bool {
        true
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.name("", Naming::up_to(128));
        let further =
            json!({ "StackName": name, "OnFailure": "DO_NOTHING", "TimeoutInMinutes": work.get("TimeoutInMinutes") });
        let created = work
            .make("cloudformation", "CreateStack", and(input(work), further))
            .await?;
        let id = match created {
            Some(created) => output_text(&created, "/StackId")?,
            None => {
                let found = work
                    .call("cloudformation", "DescribeStacks", json!({ "StackName": name }))
                    .await?;
                output_text(&found, "/Stacks/0/StackId")?
            }
        };
        let stack = settled(work, &id).await.map_err(|failure| failure.after(&id))?;
        made(&id, stack, &["CREATE_COMPLETE"])
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let before = settled(work, id).await?;
        // Undoing an update that has undone itself is nothing to do.
        match work
            .call(
                "cloudformation",
                "UpdateStack",
                and(input(work), json!({ "StackName": id })),
            )
            .await
        {
            Err(failure) if failure.message.starts_with("No updates are to be performed") => {
                return made(
                    id,
                    before,
                    &["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"],
                );
            }
            done => drop(done?),
        }
        let stack = settled(work, id).await?;
        made(id, stack, &["UPDATE_COMPLETE"])
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.call("cloudformation", "DeleteStack", json!({ "StackName": id }))
            .await?;
        let stack = settled(work, id).await?;
        made(id, stack, &["DELETE_COMPLETE"]).map(drop)
    }
}
