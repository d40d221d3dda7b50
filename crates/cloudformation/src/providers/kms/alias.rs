use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::json;

/// AWS::KMS::Alias
pub(super) struct Alias;

#[async_trait]
impl Provider for Alias {
    fn kind(&self) -> &'static str {
        "AWS::KMS::Alias"
    }
    fn required(&self) -> &'static [&'static str] {
        &["AliasName", "TargetKeyId"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["AliasName"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        work.make("kms", "CreateAlias", work.pick(&["AliasName", "TargetKeyId"]))
            .await?;
        Ok(Made::new(work.must("AliasName")?))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        work.call("kms", "UpdateAlias", work.pick(&["AliasName", "TargetKeyId"]))
            .await?;
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("kms", "DeleteAlias", json!({ "AliasName": id })).await
    }
}
