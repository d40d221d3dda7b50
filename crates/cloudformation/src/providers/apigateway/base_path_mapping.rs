use super::patch;
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::ApiGateway::BasePathMapping
pub(super) struct BasePathMapping;

/// The path in the words of the API, where none is `(none)`.
fn path(work: &Work<'_>) -> String {
    work.text("BasePath")
        .filter(|path| !path.is_empty())
        .unwrap_or_else(|| "(none)".into())
}

#[async_trait]
impl Provider for BasePathMapping {
    fn kind(&self) -> &'static str {
        "AWS::ApiGateway::BasePathMapping"
    }
    fn required(&self) -> &'static [&'static str] {
        &["DomainName"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["DomainName", "BasePath"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let input = work.pick_lower(&["DomainName", "BasePath", "RestApiId", "Stage"]);
        work.make("apigateway", "CreateBasePathMapping", input).await?;
        Ok(Made::new(format!("{}|{}", work.must("DomainName")?, path(work))))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let patches: Vec<Value> = patch::plain(work, &[("RestApiId", "/restapiId"), ("Stage", "/stage")]);
        let input = json!({ "domainName": work.get("DomainName"), "basePath": path(work), "patchOperations": patches });
        work.call("apigateway", "UpdateBasePathMapping", input).await?;
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, _: &str) -> Outcome<()> {
        let input = json!({ "domainName": work.get("DomainName"), "basePath": path(work) });
        work.remove("apigateway", "DeleteBasePathMapping", input).await
    }
}
