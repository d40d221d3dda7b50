use super::patch;
use crate::names::Naming;
use crate::providers::work::and;
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::json;

/// AWS::ApiGateway::Model
pub(super) struct Model;

#[async_trait]
impl Provider for Model {
    fn kind(&self) -> &'static str {
        "AWS::ApiGateway::Model"
    }
    fn required(&self) -> &'static [&'static str] {
        &["RestApiId"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["RestApiId", "Name", "ContentType"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        // A model's name has letters and digits only.
        let name = work.name("Name", Naming::up_to(128));
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let content = work.text("ContentType").unwrap_or_else(|| "application/json".into());
        let further = json!({ "name": name, "schema": work.document("Schema"), "contentType": content });
        let input = and(work.pick_lower(&["RestApiId", "Description"]), further);
        work.make("apigateway", "CreateModel", input).await?;
        Ok(Made::new(name))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let mut patches = patch::plain(work, &[("Description", "/description")]);
        if work.changes("Schema") {
            let schema = work.document("Schema").unwrap_or_default();
            patches.push(json!({ "op": "replace", "path": "/schema", "value": schema }));
        }
        let input = json!({ "restApiId": work.get("RestApiId"), "modelName": id, "patchOperations": patches });
        work.call("apigateway", "UpdateModel", input).await?;
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove(
            "apigateway",
            "DeleteModel",
            json!({ "restApiId": work.get("RestApiId"), "modelName": id }),
        )
        .await
    }
}
