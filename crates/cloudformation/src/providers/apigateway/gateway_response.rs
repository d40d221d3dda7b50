use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::json;

/// AWS::ApiGateway::GatewayResponse
pub(super) struct GatewayResponse;

async fn put(work: &Work<'_>) -> Outcome<()> {
    let names = [
        "RestApiId",
        "ResponseType",
        "StatusCode",
        "ResponseParameters",
        "ResponseTemplates",
    ];
    work.call("apigateway", "PutGatewayResponse", work.pick_lower(&names))
        .await
        .map(drop)
}

#[async_trait]
impl Provider for GatewayResponse {
    fn kind(&self) -> &'static str {
        "AWS::ApiGateway::GatewayResponse"
    }
    fn required(&self) -> &'static [&'static str] {
        &["ResponseType", "RestApiId"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["ResponseType", "RestApiId"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        put(work).await?;
        let id = format!("{}|{}", work.must("RestApiId")?, work.must("ResponseType")?);
        Ok(Made::new(id.clone()).with("Id", id))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        put(work).await?;
        Ok(Made::new(id).with("Id", id))
    }

    async fn delete(&self, work: &Work<'_>, _: &str) -> Outcome<()> {
        let input = json!({ "restApiId": work.get("RestApiId"), "responseType": work.get("ResponseType") });
        work.remove("apigateway", "DeleteGatewayResponse", input).await
    }
}
