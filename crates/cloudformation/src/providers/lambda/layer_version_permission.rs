use crate::names::Naming;
use crate::providers::work::and;
use crate::providers::{Failure, Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::Lambda::LayerVersionPermission
pub(super) struct LayerVersionPermission;

fn layer(work: &Work<'_>) -> Outcome<Value> {
    let arn = work.must("LayerVersionArn")?;
    let (layer, version) = arn
        .rsplit_once(':')
        .ok_or_else(|| Failure::new("InvalidRequest", "LayerVersionArn is not the ARN of a layer version"))?;
    Ok(json!({ "LayerName": layer, "VersionNumber": version }))
}

#[async_trait]
impl Provider for LayerVersionPermission {
    fn kind(&self) -> &'static str {
        "AWS::Lambda::LayerVersionPermission"
    }
    fn required(&self) -> &'static [&'static str] {
        &["Action", "LayerVersionArn", "Principal"]
    }
    fn replaces(&self, _: &str) -> bool {
        true
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let statement = work.name("Id", Naming::up_to(100));
        let picked = and(work.pick(&["Action", "Principal", "OrganizationId"]), layer(work)?);
        work.make(
            "lambda",
            "AddLayerVersionPermission",
            and(picked, json!({ "StatementId": statement })),
        )
        .await?;
        Ok(Made::new(format!("{}#{statement}", work.must("LayerVersionArn")?)))
    }

    async fn update(&self, _: &Work<'_>, id: &str) -> Outcome<Made> {
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        let statement = id.rsplit('#').next().unwrap_or_default();
        work.remove(
            "lambda",
            "RemoveLayerVersionPermission",
            and(layer(work)?, json!({ "StatementId": statement })),
        )
        .await
    }
}
