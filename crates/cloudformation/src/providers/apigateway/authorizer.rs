use super::patch;
use crate::names::Naming;
use crate::providers::work::{and, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::ApiGateway::Authorizer
pub(super) struct Authorizer;

#[async_trait]
impl Provider for Authorizer {
    fn kind(&self) -> &'static str {
        "AWS::ApiGateway::Authorizer"
    }
    fn required(&self) -> &'static [&'static str] {
        &["RestApiId", "Type"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["RestApiId"]
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.name("Name", Naming::up_to(128));
        let picked = work.pick_lower(&[
            "RestApiId",
            "Type",
            "AuthType",
            "AuthorizerUri",
            "AuthorizerCredentials",
            "IdentitySource",
            "IdentityValidationExpression",
            "AuthorizerResultTtlInSeconds",
        ]);
        let further = json!({ "name": name, "providerARNs": work.get("ProviderARNs") });
        let id = match work
            .make("apigateway", "CreateAuthorizer", and(picked, further))
            .await?
        {
            Some(created) => output_text(&created, "/id")?,
            None => {
                let input = json!({ "restApiId": work.get("RestApiId"), "limit": 500 });
                let all = work.call("apigateway", "GetAuthorizers", input).await?;
                let same = |item: &&Value| item.get("name").and_then(Value::as_str) == Some(&name);
                let found = all
                    .get("items")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .find(same)
                    .cloned();
                output_text(&found.unwrap_or(Value::Null), "/id")?
            }
        };
        Ok(Made::new(id.clone()).with("AuthorizerId", id))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let mut patches = patch::plain(
            work,
            &[
                ("Name", "/name"),
                ("Type", "/type"),
                ("AuthType", "/authType"),
                ("AuthorizerUri", "/authorizerUri"),
                ("AuthorizerCredentials", "/authorizerCredentials"),
                ("IdentitySource", "/identitySource"),
                ("IdentityValidationExpression", "/identityValidationExpression"),
                ("AuthorizerResultTtlInSeconds", "/authorizerResultTtlInSeconds"),
            ],
        );
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let (old, new) = (list(work.before("ProviderARNs")), list(work.get("ProviderARNs")));
        let added = new
            .iter()
            .filter(|arn| !old.contains(arn))
            .map(|arn| json!({ "op": "add", "path": "/providerARNs", "value": arn }));
        patches.extend(added);
        let gone = old
            .iter()
            .filter(|arn| !new.contains(arn))
            .map(|arn| json!({ "op": "remove", "path": "/providerARNs", "value": arn }));
        patches.extend(gone);
        let input = json!({ "restApiId": work.get("RestApiId"), "authorizerId": id, "patchOperations": patches });
        work.call("apigateway", "UpdateAuthorizer", input).await?;
        Ok(Made::new(id).with("AuthorizerId", id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        let input = json!({ "restApiId": work.get("RestApiId"), "authorizerId": id });
        work.remove("apigateway", "DeleteAuthorizer", input).await
    }
}
