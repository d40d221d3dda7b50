use super::stage::settings;
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::ApiGateway::Deployment
pub(super) struct Deployment;

#[async_trait]
impl Provider for Deployment {
    fn kind(&self) -> &'static str {
        "AWS::ApiGateway::Deployment"
    }
    fn required(&self) -> &'static [&'static str] {
        &["RestApiId"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["RestApiId", "DeploymentCanarySettings"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let api = work.must("RestApiId")?;
        if work.resumed {
            let all = work
                .call(
                    "apigateway",
                    "GetDeployments",
                    json!({ "restApiId": api, "limit": 500 }),
                )
                .await?;
            let since = work.started.as_secs() as f64;
            let made = |item: &&Value| item.get("createdDate").and_then(Value::as_f64).unwrap_or(0.0) >= since;
            if let Some(found) = all
                .get("items")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .find(made)
            {
                let id = output_text(found, "/id")?;
                return Ok(Made::new(id.clone()).with("DeploymentId", id));
            }
        }
        let stage = work.get("StageDescription");
        let text = |name: &str| stage.get(name).cloned().unwrap_or(Value::Null);
        let further = json!({
            "stageDescription": text("Description"),
            "cacheClusterEnabled": text("CacheClusterEnabled"),
            "cacheClusterSize": text("CacheClusterSize"),
            "variables": text("Variables"),
            "tracingEnabled": text("TracingEnabled"),
        });
        let input = and(work.pick_lower(&["RestApiId", "StageName", "Description"]), further);
        let created = work.call("apigateway", "CreateDeployment", input).await?;
        let id = output_text(&created, "/id")?;
        if let Some(name) = work.text("StageName").filter(|_| !stage.is_null()) {
            let patches = settings(&Value::Null, stage);
            if !patches.is_empty() {
                let input = json!({ "restApiId": api, "stageName": name, "patchOperations": patches });
                work.call("apigateway", "UpdateStage", input)
                    .await
                    .map_err(|failure| failure.after(&id))?;
            }
        }
        Ok(Made::new(id.clone()).with("DeploymentId", id))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let api = work.must("RestApiId")?;
        let patches = super::patch::plain(work, &[("Description", "/description")]);
        if !patches.is_empty() {
            let input = json!({ "restApiId": api, "deploymentId": id, "patchOperations": patches });
            work.call("apigateway", "UpdateDeployment", input).await?;
        }
        if let Some(name) = work
            .text("StageName")
            .filter(|_| work.changes_any(&["StageDescription", "StageName"]))
        {
            let patches = settings(work.before("StageDescription"), work.get("StageDescription"));
            if !patches.is_empty() {
                let input = json!({ "restApiId": api, "stageName": name, "patchOperations": patches });
                work.call("apigateway", "UpdateStage", input).await?;
            }
        }
        Ok(Made::new(id).with("DeploymentId", id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        // The stage that came with it keeps it from going.
        if let Some(name) = work.text("StageName") {
            let at = json!({ "restApiId": work.get("RestApiId"), "stageName": name });
            let stage = work.call("apigateway", "GetStage", at.clone()).await;
            if stage.is_ok_and(|stage| stage.get("deploymentId").and_then(Value::as_str) == Some(id)) {
                work.remove("apigateway", "DeleteStage", at).await?;
            }
        }
        let input = json!({ "restApiId": work.get("RestApiId"), "deploymentId": id });
        work.remove("apigateway", "DeleteDeployment", input).await
    }
}
