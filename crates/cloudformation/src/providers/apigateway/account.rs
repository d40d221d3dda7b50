use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::json;

/// AWS::ApiGateway::Account: a setting of the account, which stays when the resource goes.
pub(super) struct Account;

async fn put(work: &Work<'_>) -> Outcome<()> {
    let Some(role) = work.text("CloudWatchRoleArn") else {
        return Ok(());
    };
    let patch = json!([{ "op": "replace", "path": "/cloudwatchRoleArn", "value": role }]);
    work.call("apigateway", "UpdateAccount", json!({ "patchOperations": patch }))
        .await
        .map(drop)
}

#[async_trait]
impl Provider for Account {
    fn kind(&self) -> &'static str {
        "AWS::ApiGateway::Account"
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        put(work).await?;
        let id = work.made_up_id();
        Ok(Made::new(id.clone()).with("Id", id))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        put(work).await?;
        Ok(Made::new(id).with("Id", id))
    }

    async fn delete(&self, _: &Work<'_>, _: &str) -> Outcome<()> {
        Ok(())
    }
}
