use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use danbi_core::ApiCall;
use serde_json::json;

/// AWS::Events::EventBus
pub(super) struct EventBus;

async fn policy(work: &Work<'_>, name: &str) -> Outcome<()> {
    if !work.changes("Policy") {
        return Ok(());
    }
    match work.document("Policy") {
        Some(policy) => work
            .call(
                "events",
                "PutPermission",
                json!({ "EventBusName": name, "Policy": policy }),
            )
            .await
            .map(drop),
        None => {
            let input = json!({ "EventBusName": name, "RemoveAllPermissions": true });
            work.remove("events", "RemovePermission", input).await
        }
    }
}

async fn made(work: &Work<'_>, name: &str) -> Outcome<Made> {
    let found = work.call("events", "DescribeEventBus", json!({ "Name": name })).await?;
    Ok(Made::new(name)
        .with("Arn", output_text(&found, "/Arn")?)
        .with("Name", name))
}

#[async_trait]
impl Provider for EventBus {
    fn kind(&self) -> &'static str {
        "AWS::Events::EventBus"
    }
    fn required(&self) -> &'static [&'static str] {
        &["Name"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["Name", "EventSourceName"]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some("Name")
    }
    fn takes_tags(&self) -> bool {
        true
    }
    fn probe(&self, name: &str) -> Option<ApiCall> {
        Some(ApiCall::new("events", "DescribeEventBus", json!({ "Name": name })))
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.must("Name")?;
        let picked = work.pick(&[
            "Name",
            "EventSourceName",
            "Description",
            "KmsKeyIdentifier",
            "DeadLetterConfig",
        ]);
        work.make(
            "events",
            "CreateEventBus",
            and(picked, json!({ "Tags": work.tag_list() })),
        )
        .await?;
        policy(work, &name).await.map_err(|failure| failure.after(&name))?;
        made(work, &name).await
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let members = ["Description", "KmsKeyIdentifier", "DeadLetterConfig"];
        if work.changes_any(&members) {
            work.call(
                "events",
                "UpdateEventBus",
                and(work.pick(&members), json!({ "Name": id })),
            )
            .await?;
        }
        policy(work, id).await?;
        let made = made(work, id).await?;
        let arn = work.arn("events", &format!("event-bus/{id}"));
        let members = ["ResourceARN", "Tags", "TagKeys"];
        work.retag("events", ["TagResource", "UntagResource"], members, &arn, true)
            .await?;
        Ok(made)
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("events", "DeleteEventBus", json!({ "Name": id })).await
    }
}
