use crate::names::Naming;
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::ApiGateway::RequestValidator
pub(super) struct RequestValidator;

#[async_trait]
impl Provider for RequestValidator {
    fn kind(&self) -> &'static str {
        "AWS::ApiGateway::RequestValidator"
    }
    fn required(&self) -> &'static [&'static str] {
        &["RestApiId"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["RestApiId", "Name"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.name("Name", Naming::up_to(128));
        if work.resumed {
            let all = work
                .call(
                    "apigateway",
                    "GetRequestValidators",
                    json!({ "restApiId": work.get("RestApiId"), "limit": 500 }),
                )
                .await?;
            let same = |item: &&Value| item.get("name").and_then(Value::as_str) == Some(&name);
            if let Some(found) = all
                .get("items")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .find(same)
            {
                let id = output_text(found, "/id")?;
                return Ok(Made::new(id.clone()).with("RequestValidatorId", id));
            }
        }
        let picked = work.pick_lower(&["RestApiId", "ValidateRequestBody", "ValidateRequestParameters"]);
        let created = work
            .call(
                "apigateway",
                "CreateRequestValidator",
                and(picked, json!({ "name": name })),
            )
            .await?;
        let id = output_text(&created, "/id")?;
        Ok(Made::new(id.clone()).with("RequestValidatorId", id))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let patches: Vec<Value> = [
            ("ValidateRequestBody", "/validateRequestBody"),
            ("ValidateRequestParameters", "/validateRequestParameters"),
        ]
        .into_iter()
        .filter(|(property, _)| work.changes(property))
        .map(|(property, path)| json!({ "op": "replace", "path": path, "value": work.truth(property).to_string() }))
        .collect();
        let input = json!({ "restApiId": work.get("RestApiId"), "requestValidatorId": id, "patchOperations": patches });
        work.call("apigateway", "UpdateRequestValidator", input).await?;
        Ok(Made::new(id).with("RequestValidatorId", id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        let input = json!({ "restApiId": work.get("RestApiId"), "requestValidatorId": id });
        work.remove("apigateway", "DeleteRequestValidator", input).await
    }
}
