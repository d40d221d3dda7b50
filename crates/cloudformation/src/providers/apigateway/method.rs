use crate::providers::work::and;
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::ApiGateway::Method: the method with its integration and responses. Whatever changes, it is put anew.
pub(super) struct Method;

fn at(work: &Work<'_>) -> Value {
    work.pick_lower(&["RestApiId", "ResourceId", "HttpMethod"])
}

/// Members of `from`, which the API writes with a small first letter.
fn members(from: &Value, names: &[&str]) -> Value {
    let present = names
        .iter()
        .filter_map(|name| Some((crate::providers::work::lower(name), from.get(*name)?.clone())));
    Value::Object(present.collect())
}

async fn put(work: &Work<'_>) -> Outcome<()> {
    let picked = work.pick_lower(&[
        "AuthorizerId",
        "ApiKeyRequired",
        "OperationName",
        "RequestParameters",
        "RequestModels",
        "RequestValidatorId",
        "AuthorizationScopes",
    ]);
    let kind = work.text("AuthorizationType").unwrap_or_else(|| "NONE".into());
    let input = and(and(at(work), picked), json!({ "authorizationType": kind }));
    work.make("apigateway", "PutMethod", input).await?;
    for response in work.get("MethodResponses").as_array().into_iter().flatten() {
        let input = and(
            at(work),
            members(response, &["StatusCode", "ResponseParameters", "ResponseModels"]),
        );
        work.make("apigateway", "PutMethodResponse", input).await?;
    }
    let integration = work.get("Integration");
    if integration.is_null() {
        return Ok(());
    }
    let names = [
        "Type",
        "Uri",
        "ConnectionType",
        "ConnectionId",
        "Credentials",
        "RequestParameters",
        "RequestTemplates",
        "PassthroughBehavior",
        "CacheNamespace",
        "CacheKeyParameters",
        "ContentHandling",
        "TimeoutInMillis",
    ];
    // The method of the integration has another name than the one it belongs to.
    let further = json!({ "integrationHttpMethod": integration.get("IntegrationHttpMethod") });
    work.call(
        "apigateway",
        "PutIntegration",
        and(and(at(work), members(integration, &names)), further),
    )
    .await?;
    for response in integration
        .get("IntegrationResponses")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let names = [
            "StatusCode",
            "SelectionPattern",
            "ResponseParameters",
            "ResponseTemplates",
            "ContentHandling",
        ];
        work.call(
            "apigateway",
            "PutIntegrationResponse",
            and(at(work), members(response, &names)),
        )
        .await?;
    }
    Ok(())
}

#[async_trait]
impl Provider for Method {
    fn kind(&self) -> &'static str {
        "AWS::ApiGateway::Method"
    }
    fn required(&self) -> &'static [&'static str] {
        &["HttpMethod", "ResourceId", "RestApiId"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["HttpMethod", "ResourceId", "RestApiId"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let id = format!(
            "{}|{}|{}",
            work.must("RestApiId")?,
            work.must("ResourceId")?,
            work.must("HttpMethod")?
        );
        put(work).await.map_err(|failure| failure.after(&id))?;
        Ok(Made::new(id).referred(crate::names::generated(
            &work.stack.name,
            work.logical_id,
            work.token,
            crate::names::Naming::up_to(255),
        )))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        work.remove("apigateway", "DeleteMethod", at(work)).await?;
        put(work).await?;
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, _: &str) -> Outcome<()> {
        work.remove("apigateway", "DeleteMethod", at(work)).await
    }
}
