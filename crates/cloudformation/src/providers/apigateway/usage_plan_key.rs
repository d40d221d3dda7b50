use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::json;

/// AWS::ApiGateway::UsagePlanKey
pub(super) struct UsagePlanKey;

#[async_trait]
impl Provider for UsagePlanKey {
    fn kind(&self) -> &'static str {
        "AWS::ApiGateway::UsagePlanKey"
    }
    fn required(&self) -> &'static [&'static str] {
        &["KeyId", "KeyType", "UsagePlanId"]
    }
    fn replaces(&self, _: &str) -> bool {
        true
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let input = work.pick_lower(&["KeyId", "KeyType", "UsagePlanId"]);
        work.make("apigateway", "CreateUsagePlanKey", input).await?;
        let id = format!("{}:{}", work.must("KeyId")?, work.must("UsagePlanId")?);
        Ok(Made::new(id.clone()).with("Id", id))
    }

    async fn update(&self, _: &Work<'_>, id: &str) -> Outcome<Made> {
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, _: &str) -> Outcome<()> {
        let input = json!({ "usagePlanId": work.get("UsagePlanId"), "keyId": work.get("KeyId") });
        work.remove("apigateway", "DeleteUsagePlanKey", input).await
    }
}
