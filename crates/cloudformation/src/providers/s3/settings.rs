//! What a bucket is configured with: each property is one operation's document.

use crate::providers::{Outcome, Work};
use serde_json::{Map, Value, json};

/// Property, operation that puts it, its member, operation that takes it away.
const SETTINGS: [(&str, &str, &str, &str); 9] = [
    (
        "PublicAccessBlockConfiguration",
        "PutPublicAccessBlock",
        "PublicAccessBlockConfiguration",
        "DeletePublicAccessBlock",
    ),
    (
        "OwnershipControls",
        "PutBucketOwnershipControls",
        "OwnershipControls",
        "DeleteBucketOwnershipControls",
    ),
    (
        "VersioningConfiguration",
        "PutBucketVersioning",
        "VersioningConfiguration",
        "",
    ),
    (
        "CorsConfiguration",
        "PutBucketCors",
        "CORSConfiguration",
        "DeleteBucketCors",
    ),
    (
        "WebsiteConfiguration",
        "PutBucketWebsite",
        "WebsiteConfiguration",
        "DeleteBucketWebsite",
    ),
    (
        "LifecycleConfiguration",
        "PutBucketLifecycleConfiguration",
        "LifecycleConfiguration",
        "DeleteBucketLifecycle",
    ),
    (
        "BucketEncryption",
        "PutBucketEncryption",
        "ServerSideEncryptionConfiguration",
        "DeleteBucketEncryption",
    ),
    (
        "NotificationConfiguration",
        "PutBucketNotificationConfiguration",
        "NotificationConfiguration",
        "",
    ),
    (
        "ObjectLockConfiguration",
        "PutObjectLockConfiguration",
        "ObjectLockConfiguration",
        "",
    ),
];
const OTHERS: [&str; 5] = [
    "BucketName",
    "AccessControl",
    "ObjectLockEnabled",
    "Tags",
    "BucketNamePrefix",
];

/// A property that is not one of these.
pub(super) fn unknown(properties: &Value) -> Option<String> {
    let known = |name: &str| OTHERS.contains(&name) || SETTINGS.iter().any(|(property, ..)| *property == name);
    properties.as_object()?.keys().find(|name| !known(name)).cloned()
}

/// Brings the bucket's configuration from the old properties to the new ones.
pub(super) async fn apply(work: &Work<'_>, bucket: &str, is_new: bool) -> Outcome<()> {
    for (property, put, member, delete) in SETTINGS {
        if !is_new && !work.changes(property) {
            continue;
        }
        match work.properties.get(property) {
            Some(_) if is_new && property == "OwnershipControls" => {}
            Some(value) => {
                let mut input = json!({ "Bucket": bucket });
                input[member] = document(property, value);
                work.call("s3", put, input).await?;
            }
            None if is_new => {}
            None if delete.is_empty() => {
                let mut input = json!({ "Bucket": bucket });
                input[member] = if property == "VersioningConfiguration" {
                    json!({ "Status": "Suspended" })
                } else {
                    json!({})
                };
                work.call("s3", put, input).await?;
            }
            None => work.remove("s3", delete, json!({ "Bucket": bucket })).await?,
        }
    }
    Ok(())
}

fn renamed(value: &Value, names: &[(&str, &str)]) -> Value {
    match value {
        Value::Object(map) => {
            let member = |key: &str| {
                let new = names.iter().find(|(old, _)| *old == key);
                new.map_or(key, |(_, new)| new).to_owned()
            };
            Value::Object(
                map.iter()
                    .map(|(key, value)| (member(key), renamed(value, names)))
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(|item| renamed(item, names)).collect(),
        other => other.clone(),
    }
}

/// The property in the words of the API.
fn document(property: &str, value: &Value) -> Value {
    match property {
        "CorsConfiguration" => {
            let names = [
                ("CorsRules", "CORSRules"),
                ("ExposedHeaders", "ExposeHeaders"),
                ("MaxAge", "MaxAgeSeconds"),
                ("Id", "ID"),
            ];
            renamed(value, &names)
        }
        "BucketEncryption" => renamed(
            value,
            &[
                ("ServerSideEncryptionConfiguration", "Rules"),
                ("ServerSideEncryptionByDefault", "ApplyServerSideEncryptionByDefault"),
            ],
        ),
        "WebsiteConfiguration" => website(value),
        "LifecycleConfiguration" => lifecycle(value),
        "NotificationConfiguration" => notification(value),
        _ => value.clone(),
    }
}

fn website(value: &Value) -> Value {
    let mut out = Map::new();
    for (key, inner) in value.as_object().into_iter().flatten() {
        match key.as_str() {
            "IndexDocument" => out.insert(key.clone(), json!({ "Suffix": inner })),
            "ErrorDocument" => out.insert(key.clone(), json!({ "Key": inner })),
            "RoutingRules" => out.insert(
                key.clone(),
                renamed(
                    inner,
                    &[("RoutingRuleCondition", "Condition"), ("RedirectRule", "Redirect")],
                ),
            ),
            _ => out.insert(key.clone(), inner.clone()),
        };
    }
    Value::Object(out)
}

fn lifecycle(value: &Value) -> Value {
    let rules = value
        .get("Rules")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let rule = |rule: Value| {
        let mut out = Map::new();
        let (mut expiration, mut filter) = (Map::new(), Map::new());
        for (key, inner) in rule.as_object().cloned().unwrap_or_default() {
            match key.as_str() {
                "Id" => drop(out.insert("ID".into(), inner)),
                "Prefix" => drop(filter.insert("Prefix".into(), inner)),
                "ExpirationInDays" => drop(expiration.insert("Days".into(), inner)),
                "ExpirationDate" => drop(expiration.insert("Date".into(), inner)),
                "ExpiredObjectDeleteMarker" => drop(expiration.insert(key, inner)),
                "NoncurrentVersionExpirationInDays" => {
                    out.insert("NoncurrentVersionExpiration".into(), json!({ "NoncurrentDays": inner }));
                }
                "Transitions" => drop(out.insert(
                    key,
                    renamed(&inner, &[("TransitionInDays", "Days"), ("TransitionDate", "Date")]),
                )),
                "Transition" => {
                    let one = renamed(&inner, &[("TransitionInDays", "Days"), ("TransitionDate", "Date")]);
                    out.insert("Transitions".into(), json!([one]));
                }
                "TagFilters" => drop(filter.insert("Tags".into(), inner)),
                "ObjectSizeGreaterThan" | "ObjectSizeLessThan" => drop(filter.insert(key, inner)),
                _ => drop(out.insert(key, inner)),
            }
        }
        if !expiration.is_empty() {
            out.insert("Expiration".into(), Value::Object(expiration));
        }
        let filter = match filter.len() {
            0 => json!({ "Prefix": "" }),
            1 if !filter.contains_key("Tags") => Value::Object(filter),
            _ => json!({ "And": filter }),
        };
        out.insert("Filter".into(), filter);
        Value::Object(out)
    };
    json!({ "Rules": rules.into_iter().map(rule).collect::<Vec<_>>() })
}

fn notification(value: &Value) -> Value {
    let mut out = Map::new();
    for (key, member, arn, target) in [
        (
            "LambdaConfigurations",
            "LambdaFunctionConfigurations",
            "Function",
            "LambdaFunctionArn",
        ),
        ("QueueConfigurations", "QueueConfigurations", "Queue", "QueueArn"),
        ("TopicConfigurations", "TopicConfigurations", "Topic", "TopicArn"),
    ] {
        let Some(Value::Array(items)) = value.get(key) else {
            continue;
        };
        let one = |item: &Value| {
            let mut made = json!({ target: item.get(arn), "Events": [item.get("Event")] });
            if let Some(rules) = item.pointer("/Filter/S3Key/Rules") {
                made["Filter"] = json!({ "Key": { "FilterRules": rules } });
            }
            made
        };
        out.insert(member.to_owned(), items.iter().map(one).collect());
    }
    if value.get("EventBridgeConfiguration").is_some() {
        out.insert("EventBridgeConfiguration".to_owned(), json!({}));
    }
    Value::Object(out)
}
