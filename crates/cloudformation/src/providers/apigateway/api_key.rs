use super::patch;
use crate::names::Naming;
use crate::providers::work::{and, lower_keys, output_text};
use crate::providers::{Made, Outcome, Provider, Work};
use async_trait::async_trait;
use serde_json::{Value, json};

/// AWS::ApiGateway::ApiKey
pub(super) struct ApiKey;

#[async_trait]
impl Provider for ApiKey {
    fn kind(&self) -> &'static str {
        "AWS::ApiGateway::ApiKey"
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["Name", "Value", "GenerateDistinctId"]
    }
    fn takes_tags(&self) -> bool {
        true
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.name("Name", Naming::up_to(1024));
        if work.resumed {
            let all = work
                .call("apigateway", "GetApiKeys", json!({ "nameQuery": name, "limit": 500 }))
                .await?;
            let since = work.started.as_secs() as f64;
            let made = |item: &&Value| {
                item.get("name").and_then(Value::as_str) == Some(&name)
                    && item.get("createdDate").and_then(Value::as_f64).unwrap_or(0.0) >= since
            };
            if let Some(found) = all
                .get("items")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .find(made)
            {
                let id = output_text(found, "/id")?;
                return Ok(Made::new(id.clone()).with("APIKeyId", id));
            }
        }
        let tags = work.tag_map();
        let further = json!({
            "name": name,
            "stageKeys": lower_keys(work.get("StageKeys")),
            "tags": if tags.is_empty() { Value::Null } else { Value::Object(tags) },
        });
        let picked = work.pick_lower(&["Description", "Enabled", "GenerateDistinctId", "Value", "CustomerId"]);
        let created = work.call("apigateway", "CreateApiKey", and(picked, further)).await?;
        let id = output_text(&created, "/id")?;
        Ok(Made::new(id.clone()).with("APIKeyId", id))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let mut patches = patch::plain(work, &[("Description", "/description"), ("CustomerId", "/customerId")]);
        if work.changes("Enabled") {
            patches.push(json!({ "op": "replace", "path": "/enabled", "value": work.truth("Enabled").to_string() }));
        }
        if !patches.is_empty() {
            work.call(
                "apigateway",
                "UpdateApiKey",
                json!({ "apiKey": id, "patchOperations": patches }),
            )
            .await?;
        }
        let arn = format!("arn:aws:apigateway:{}::/apikeys/{id}", work.context.scope.region);
        let members = ["resourceArn", "tags", "tagKeys"];
        work.retag("apigateway", ["TagResource", "UntagResource"], members, &arn, false)
            .await?;
        Ok(Made::new(id).with("APIKeyId", id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("apigateway", "DeleteApiKey", json!({ "apiKey": id })).await
    }
}
