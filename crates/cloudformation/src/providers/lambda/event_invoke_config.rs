use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::json;

/// AWS::Lambda::EventInvokeConfig
pub(super) struct EventInvokeConfig;

async fn put(work: &Work<'_>) -> Outcome<()> {
    let members = [
        "FunctionName",
        "Qualifier",
        "MaximumRetryAttempts",
        "MaximumEventAgeInSeconds",
        "DestinationConfig",
    ];
    work.call("lambda", "PutFunctionEventInvokeConfig", work.pick(&members))
        .await
        .map(drop)
}

#[async_trait]
impl Provider for EventInvokeConfig {
    fn kind(&self) -> &'static str {
        "AWS::Lambda::EventInvokeConfig"
    }
    fn required(&self) -> &'static [&'static str] {
        &["FunctionName", "Qualifier"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["FunctionName", "Qualifier"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        put(work).await?;
        Ok(Made::new(work.made_up_id()))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        put(work).await?;
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, _: &str) -> Outcome<()> {
        let input = json!({ "FunctionName": work.get("FunctionName"), "Qualifier": work.get("Qualifier") });
        work.remove("lambda", "DeleteFunctionEventInvokeConfig", input).await
    }
}
