use crate::providers::work::output_text;
use crate::providers::{Failure, Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::ApiGateway::Resource
pub(super) struct Resource;

#[async_trait]
impl Provider for Resource {
    fn kind(&self) -> &'static str {
        "AWS::ApiGateway::Resource"
    }
    fn required(&self) -> &'static [&'static str] {
        &["ParentId", "PathPart", "RestApiId"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["ParentId", "PathPart", "RestApiId"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let input = work.pick_lower(&["RestApiId", "ParentId", "PathPart"]);
        let id = match work.make("apigateway", "CreateResource", input).await? {
            Some(created) => output_text(&created, "/id")?,
            None => {
                let input = json!({ "restApiId": work.get("RestApiId"), "limit": 500 });
                let all = work.call("apigateway", "GetResources", input).await?;
                let (parent, part) = (work.text("ParentId"), work.text("PathPart"));
                let is_it = |item: &&Value| {
                    item.get("parentId").and_then(Value::as_str) == parent.as_deref()
                        && item.get("pathPart").and_then(Value::as_str) == part.as_deref()
                };
                let found = all
                    .get("items")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .find(is_it);
                let found = found.ok_or_else(|| Failure::new("NotFound", "the resource of this path is not there"))?;
                output_text(found, "/id")?
            }
        };
        Ok(Made::new(id.clone()).with("ResourceId", id))
    }

    async fn update(&self, _: &Work<'_>, id: &str) -> Outcome<Made> {
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove(
            "apigateway",
            "DeleteResource",
            json!({ "restApiId": work.get("RestApiId"), "resourceId": id }),
        )
        .await
    }
}
