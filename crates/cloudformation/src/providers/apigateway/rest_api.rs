use super::patch;
use crate::providers::work::{and, lower_keys, output_text};
use crate::providers::{Failure, Made, Outcome, Provider, Work};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use danbi_core::{ObjectLocation, RequestContext};
use serde_json::{Value, json};

/// AWS::ApiGateway::RestApi
pub(super) struct RestApi;

/// Largest OpenAPI document in bytes. Source: API Gateway quotas.
const MAX_BODY: u64 = 6 * 1024 * 1024;

async fn body(work: &Work<'_>) -> Outcome<Option<Vec<u8>>> {
    if let Some(body) = work.document("Body") {
        return Ok(Some(body.into_bytes()));
    }
    let at = work.get("BodyS3Location");
    if at.is_null() {
        return Ok(None);
    }
    let text = |name: &str| at.get(name).and_then(Value::as_str).map(str::to_owned);
    let (Some(bucket), Some(key)) = (text("Bucket"), text("Key")) else {
        return Err(Failure::new("InvalidRequest", "BodyS3Location needs Bucket and Key"));
    };
    let objects = work.engine.objects.as_ref();
    let objects =
        objects.ok_or_else(|| Failure::new("InvalidRequest", "BodyS3Location cannot be used: there is no S3 here"))?;
    let location = ObjectLocation {
        bucket,
        key,
        version: text("Version"),
    };
    let context: &RequestContext = work.context;
    let bytes = objects.object(context, &location, MAX_BODY).await;
    bytes
        .map(|bytes| Some(bytes.to_vec()))
        .map_err(|error| Failure::new(error.code, error.message))
}

async fn import(work: &Work<'_>, id: &str) -> Outcome<()> {
    let Some(body) = body(work).await? else { return Ok(()) };
    let input = json!({ "restApiId": id, "mode": work.text("Mode").unwrap_or_else(|| "overwrite".into()), "body": STANDARD.encode(body) });
    let further = json!({ "failOnWarnings": work.get("FailOnWarnings"), "parameters": work.get("Parameters") });
    work.call("apigateway", "PutRestApi", and(input, further))
        .await
        .map(drop)
}

async fn made(work: &Work<'_>, id: &str) -> Outcome<Made> {
    let found = work
        .call("apigateway", "GetRestApi", json!({ "restApiId": id }))
        .await?;
    let root = match found.get("rootResourceId").and_then(Value::as_str) {
        Some(root) => root.to_owned(),
        None => {
            let all = work
                .call("apigateway", "GetResources", json!({ "restApiId": id, "limit": 500 }))
                .await?;
            let items = all.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            let root = items
                .iter()
                .find(|item| item.get("path").and_then(Value::as_str) == Some("/"));
            output_text(root.unwrap_or(&Value::Null), "/id")?
        }
    };
    Ok(Made::new(id).with("RestApiId", id).with("RootResourceId", root))
}

/// An API of this name that came after the step began: the one that a platform which ended was making.
async fn made_before(work: &Work<'_>, name: &str) -> Outcome<Option<String>> {
    let all = work.call("apigateway", "GetRestApis", json!({ "limit": 500 })).await?;
    let since = work.started.as_secs() as f64;
    let found = all
        .get("items")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|item| {
            item.get("name").and_then(Value::as_str) == Some(name)
                && item.get("createdDate").and_then(Value::as_f64).unwrap_or(0.0) >= since
        });
    found.map(|item| output_text(item, "/id")).transpose()
}

#[async_trait]
impl Provider for RestApi {
    fn kind(&self) -> &'static str {
        "AWS::ApiGateway::RestApi"
    }
    fn takes_tags(&self) -> bool {
        true
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let document = work.get("Body");
        let title = document
            .pointer("/info/title")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let name = work
            .text("Name")
            .or(title)
            .unwrap_or_else(|| work.logical_id.to_owned());
        let before = if work.resumed {
            made_before(work, &name).await?
        } else {
            None
        };
        let id = match before {
            Some(id) => id,
            None => {
                let picked = work.pick_lower(&[
                    "Description",
                    "CloneFrom",
                    "BinaryMediaTypes",
                    "MinimumCompressionSize",
                    "ApiKeySourceType",
                    "DisableExecuteApiEndpoint",
                ]);
                let mut input = picked;
                if let Some(map) = input.as_object_mut()
                    && let Some(source) = map.remove("apiKeySourceType")
                {
                    map.insert("apiKeySource".to_owned(), source);
                }
                let tags = work.tag_map();
                let further = json!({
                    "name": name,
                    "policy": work.document("Policy"),
                    "endpointConfiguration": lower_keys(work.get("EndpointConfiguration")),
                    "tags": if tags.is_empty() { Value::Null } else { Value::Object(tags) },
                });
                let created = work.call("apigateway", "CreateRestApi", and(input, further)).await?;
                output_text(&created, "/id")?
            }
        };
        import(work, &id).await.map_err(|failure| failure.after(&id))?;
        made(work, &id).await.map_err(|failure| failure.after(&id))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        if work.changes_any(&["Body", "BodyS3Location", "Parameters"]) {
            import(work, id).await?;
        }
        let mut patches = patch::plain(
            work,
            &[
                ("Name", "/name"),
                ("Description", "/description"),
                ("MinimumCompressionSize", "/minimumCompressionSize"),
                ("ApiKeySourceType", "/apiKeySource"),
                ("DisableExecuteApiEndpoint", "/disableExecuteApiEndpoint"),
            ],
        );
        if work.changes("Policy") {
            let policy = work.document("Policy").unwrap_or_default();
            patches.push(json!({ "op": "replace", "path": "/policy", "value": policy }));
        }
        patches.extend(patch::list(
            work.before("BinaryMediaTypes"),
            work.get("BinaryMediaTypes"),
            "/binaryMediaTypes",
        ));
        if work.changes("EndpointConfiguration")
            && let (Some(old), Some(new)) = (
                work.before("EndpointConfiguration")
                    .pointer("/Types/0")
                    .and_then(Value::as_str)
                    .or(Some("EDGE")),
                work.get("EndpointConfiguration")
                    .pointer("/Types/0")
                    .and_then(Value::as_str)
                    .or(Some("EDGE")),
            )
            && old != new
        {
            patches
                .push(json!({ "op": "replace", "path": format!("/endpointConfiguration/types/{old}"), "value": new }));
        }
        if !patches.is_empty() {
            work.call(
                "apigateway",
                "UpdateRestApi",
                json!({ "restApiId": id, "patchOperations": patches }),
            )
            .await?;
        }
        let arn = format!("arn:aws:apigateway:{}::/restapis/{id}", work.context.scope.region);
        let members = ["resourceArn", "tags", "tagKeys"];
        work.retag("apigateway", ["TagResource", "UntagResource"], members, &arn, false)
            .await?;
        made(work, id).await
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove("apigateway", "DeleteRestApi", json!({ "restApiId": id }))
            .await
    }
}
