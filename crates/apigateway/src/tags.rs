//! Tags of REST APIs, stages, API keys, usage plans and domain names, by ARN.

use crate::records::{self, Read, StageRecord};
use crate::shapes::*;
use crate::{ApiGateway, Error, keys};
use bytes::Bytes;
use danbi_core::{Arn, RequestContext, Scope};
use danbi_wire::Empty;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

const MAX_TAGS: usize = 50;

/// The record that the ARN names, and where its tags are in it.
fn target(scope: &Scope, arn: &str) -> Result<(Bytes, &'static str), Error> {
    let invalid = || Error::bad(format!("Invalid resource ARN specified: {arn}"));
    let parsed: Arn = arn.parse().map_err(|_| invalid())?;
    if parsed.service != "apigateway" || parsed.region != scope.region.as_str() {
        return Err(invalid());
    }
    let parts: Vec<&str> = parsed.resource.trim_start_matches('/').split('/').collect();
    Ok(match parts.as_slice() {
        ["restapis", api] => (keys::api(scope, api), "/tags"),
        ["restapis", api, "stages", stage] => (keys::child(api, keys::Kind::Stage, stage), "/stage/tags"),
        ["apikeys", id] => (keys::api_key(scope, id), "/tags"),
        ["usageplans", id] => (keys::plan(scope, id), "/tags"),
        ["domainnames", name] => (keys::domain(scope, name), "/tags"),
        _ => return Err(invalid()),
    })
}

/// The tagged record as JSON, when it is the caller's.
async fn find(view: &impl Read, scope: &Scope, arn: &str, key: &Bytes) -> Result<Value, Error> {
    let record: Option<Value> = view.record(key).await?;
    let own = |record: &Value| match serde_json::from_value::<StageRecord>(record.clone()) {
        Ok(stage) if !stage.account.is_empty() => {
            stage.account == scope.account.as_str() && stage.region == scope.region.as_str()
        }
        _ => true,
    };
    let missing = || Error::missing(format!("Invalid resource identifier specified: {arn}"));
    record.filter(own).ok_or_else(missing)
}

fn tags_of(record: &Value, place: &str) -> BTreeMap<String, String> {
    let tags = record.pointer(place).cloned().unwrap_or_default();
    serde_json::from_value(tags).unwrap_or_default()
}

async fn change(
    gateway: &ApiGateway,
    scope: &Scope,
    arn: &str,
    change: impl Fn(&mut BTreeMap<String, String>) + Sync,
) -> Result<Empty, Error> {
    let (key, place) = target(scope, arn)?;
    let (key, change) = (&key, &change);
    gateway
        .store
        .transact(async |tx| {
            let mut record = find(&tx, scope, arn, key).await?;
            let mut tags = tags_of(&record, place);
            change(&mut tags);
            if tags.len() > MAX_TAGS {
                return Err(Error::bad("A resource has at most 50 tags."));
            }
            let (parent, name) = place.rsplit_once('/').unwrap_or_default();
            if let Some(Value::Object(members)) = record.pointer_mut(parent) {
                members.insert(name.into(), serde_json::to_value(tags)?);
            }
            records::put(&tx, key, &record)?;
            Ok(Empty {})
        })
        .await
}

/// TagResource.
pub(crate) async fn tag(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: TagResourceRequest,
) -> Result<Empty, Error> {
    for (key, value) in &input.tags {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || key.starts_with("aws:") {
            return Err(Error::bad(format!("Invalid tag specified: {key}")));
        }
    }
    change(&gateway, &context.scope, &input.resource_arn, |tags| {
        tags.extend(input.tags.clone())
    })
    .await
}

/// UntagResource.
pub(crate) async fn untag(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UntagResourceRequest,
) -> Result<Empty, Error> {
    change(&gateway, &context.scope, &input.resource_arn, |tags| {
        tags.retain(|key, _| !input.tag_keys.contains(key));
    })
    .await
}

/// GetTags.
pub(crate) async fn get(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetTagsRequest,
) -> Result<Tags, Error> {
    let (key, place) = target(&context.scope, &input.resource_arn)?;
    let view = gateway.store.snapshot().await?;
    let record = find(&view, &context.scope, &input.resource_arn, &key).await?;
    Ok(Tags {
        tags: Some(tags_of(&record, place)),
    })
}
