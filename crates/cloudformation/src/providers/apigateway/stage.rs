use super::patch;
use crate::providers::work::and;
use crate::providers::{Made, Outcome, Provider, Work};
use crate::template::parameters::text_of;
use async_trait::async_trait;
use serde_json::{Map, Value, json};

/// AWS::ApiGateway::Stage
pub(super) struct Stage;

/// Property of a method's settings → path of its patch.
const SETTINGS: [(&str, &str); 9] = [
    ("MetricsEnabled", "metrics/enabled"),
    ("LoggingLevel", "logging/loglevel"),
    ("DataTraceEnabled", "logging/dataTrace"),
    ("ThrottlingBurstLimit", "throttling/burstLimit"),
    ("ThrottlingRateLimit", "throttling/rateLimit"),
    ("CachingEnabled", "caching/enabled"),
    ("CacheTtlInSeconds", "caching/ttlInSeconds"),
    ("CacheDataEncrypted", "caching/dataEncrypted"),
    (
        "RequireAuthorizationForCacheControl",
        "caching/requireAuthorizationForCacheControl",
    ),
];

fn method_settings(value: &Value) -> Map<String, Value> {
    let mut all = Map::new();
    for setting in value.as_array().into_iter().flatten() {
        let text = |name: &str, otherwise: &str| setting.get(name).map_or_else(|| otherwise.to_owned(), text_of);
        let path = text("ResourcePath", "/*");
        let path = if path == "/*" {
            "*".to_owned()
        } else {
            patch::escape(&path)
        };
        for (property, end) in SETTINGS {
            if let Some(value) = setting.get(property) {
                all.insert(format!("/{path}/{}/{end}", text("HttpMethod", "*")), value.clone());
            }
        }
    }
    all
}

/// Patches of a stage from one set of its settings to another.
pub(super) fn settings(old: &Value, new: &Value) -> Vec<Value> {
    let none = Value::Null;
    let of = |value: &Value, name: &str| value.get(name).cloned().unwrap_or(Value::Null);
    let mut patches = Vec::new();
    let before = method_settings(old.get("MethodSettings").unwrap_or(&none));
    let after = method_settings(new.get("MethodSettings").unwrap_or(&none));
    for (path, value) in &after {
        if before.get(path) != Some(value) {
            patches.push(json!({ "op": "replace", "path": path, "value": text_of(value) }));
        }
    }
    for path in before.keys().filter(|path| !after.contains_key(*path)) {
        patches.push(json!({ "op": "remove", "path": path }));
    }
    let (old_log, new_log) = (of(old, "AccessLogSetting"), of(new, "AccessLogSetting"));
    for (property, path) in [
        ("DestinationArn", "/accessLogSettings/destinationArn"),
        ("Format", "/accessLogSettings/format"),
    ] {
        if old_log.get(property) != new_log.get(property)
            && let Some(value) = new_log.get(property)
        {
            patches.push(json!({ "op": "replace", "path": path, "value": text_of(value) }));
        }
    }
    if !old_log.is_null() && new_log.is_null() {
        patches.push(json!({ "op": "remove", "path": "/accessLogSettings" }));
    }
    patches
}

#[async_trait]
impl Provider for Stage {
    fn kind(&self) -> &'static str {
        "AWS::ApiGateway::Stage"
    }
    fn required(&self) -> &'static [&'static str] {
        &["RestApiId"]
    }
    fn replaced_by(&self) -> &'static [&'static str] {
        &["RestApiId", "StageName"]
    }
    fn takes_tags(&self) -> bool {
        true
    }

    async fn create(&self, work: &Work<'_>) -> Outcome<Made> {
        let name = work.text("StageName").unwrap_or_else(|| "default".into());
        let tags = work.tag_map();
        let further = json!({
            "stageName": name,
            "tags": if tags.is_empty() { Value::Null } else { Value::Object(tags) },
        });
        let picked = work.pick_lower(&[
            "RestApiId",
            "DeploymentId",
            "Description",
            "CacheClusterEnabled",
            "CacheClusterSize",
            "Variables",
            "DocumentationVersion",
            "TracingEnabled",
        ]);
        work.make("apigateway", "CreateStage", and(picked, further)).await?;
        let patches = settings(&Value::Null, work.properties);
        if !patches.is_empty() {
            let input = json!({ "restApiId": work.get("RestApiId"), "stageName": name, "patchOperations": patches });
            work.call("apigateway", "UpdateStage", input)
                .await
                .map_err(|failure| failure.after(&name))?;
        }
        Ok(Made::new(name))
    }

    async fn update(&self, work: &Work<'_>, id: &str) -> Outcome<Made> {
        let mut patches = patch::plain(
            work,
            &[
                ("DeploymentId", "/deploymentId"),
                ("Description", "/description"),
                ("CacheClusterEnabled", "/cacheClusterEnabled"),
                ("CacheClusterSize", "/cacheClusterSize"),
                ("DocumentationVersion", "/documentationVersion"),
                ("TracingEnabled", "/tracingEnabled"),
                ("ClientCertificateId", "/clientCertificateId"),
            ],
        );
        patches.extend(patch::map(
            work.before("Variables"),
            work.get("Variables"),
            "/variables",
        ));
        patches.extend(settings(work.old.unwrap_or(&Value::Null), work.properties));
        if !patches.is_empty() {
            let input = json!({ "restApiId": work.get("RestApiId"), "stageName": id, "patchOperations": patches });
            work.call("apigateway", "UpdateStage", input).await?;
        }
        let region = &work.context.scope.region;
        let arn = format!(
            "arn:aws:apigateway:{region}::/restapis/{}/stages/{id}",
            work.must("RestApiId")?
        );
        let members = ["resourceArn", "tags", "tagKeys"];
        work.retag("apigateway", ["TagResource", "UntagResource"], members, &arn, false)
            .await?;
        Ok(Made::new(id))
    }

    async fn delete(&self, work: &Work<'_>, id: &str) -> Outcome<()> {
        work.remove(
            "apigateway",
            "DeleteStage",
            json!({ "restApiId": work.get("RestApiId"), "stageName": id }),
        )
        .await
    }
}
