use crate::names::Naming;
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::json;

/// AWS::Logs::LogStream
pub(super) struct LogStream;

#[async_trait]
impl Provider for LogStream {
    fn kind(&self) -> &'static str {
        "AWS::Logs::LogStream"
    }
    fn required(&self) -> &'static [&'static str] {
        &["LogGroupName"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["LogGroupName", "LogStreamName"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.name("LogStreamName", Naming::up_to(512));
        let input = json!({ "logGroupName": work.get("LogGroupName"), "logStreamName": name });
        work.make("logs", "CreateLogStream", input).await?;
        Ok(Made::new(name))
    }

    async fn update(&self, _: &Work<'_>, id: &str) -> Outcome<Made> {
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        let input = json!({ "logGroupName": work.get("LogGroupName"), "logStreamName": id });
        work.remove("logs", "DeleteLogStream", input).await
    }
}
