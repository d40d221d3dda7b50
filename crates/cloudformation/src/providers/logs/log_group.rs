use crate::names::Naming;
use crate::providers::work::and;
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::Logs::LogGroup
pub(super) struct LogGroup;

impl LogGroup {
    fn made(work: &Work<'_>, name: &str) -> Made {
        Made::new(name).with("Arn", work.arn("logs", &format!("log-group:{name}:*")))
    }

    async fn retention(work: &Work<'_>, name: &str) -> Outcome<()> {
        match work.text("RetentionInDays") {
            Some(days) => {
                let input = json!({ "logGroupName": name, "retentionInDays": days });
                work.call("logs", "PutRetentionPolicy", input).await?;
            }
            None => {
                work.remove("logs", "DeleteRetentionPolicy", json!({ "logGroupName": name }))
                    .await?
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Provider for LogGroup {
    fn kind(&self) -> &'static str {
        "AWS::Logs::LogGroup"
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["LogGroupName", "LogGroupClass"]
    }
    fn name_property(&self) -> Option<&'static str> {
        Some("LogGroupName")
    }
    fn takes_tags(&self) -> bool {
        true
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.name("LogGroupName", Naming::up_to(512));
        let tags = work.tag_map();
        let tags = if tags.is_empty() {
            Value::Null
        } else {
            Value::Object(tags)
        };
        let input = json!({ "logGroupName": name });
        let further =
            json!({ "tags": tags, "kmsKeyId": work.get("KmsKeyId"), "logGroupClass": work.get("LogGroupClass") });
        work.make("logs", "CreateLogGroup", and(input, further)).await?;
        if work.text("RetentionInDays").is_some() {
            Self::retention(work, &name)
                .await
                .map_err(|failure| failure.after(&name))?;
        }
        Ok(Self::made(work, &name))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        if work.changes("RetentionInDays") {
            Self::retention(work, id).await?;
        }
        let arn = work.arn("logs", &format!("log-group:{id}"));
        let members = ["resourceArn", "tags", "tagKeys"];
        work.retag("logs", ["TagResource", "UntagResource"], members, &arn, false)
            .await?;
        Ok(Self::made(work, id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("logs", "DeleteLogGroup", json!({ "logGroupName": id }))
            .await
    }
}
