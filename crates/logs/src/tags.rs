use crate::error::LogsError;
use crate::shapes::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, ListTagsLogGroupRequest, ListTagsLogGroupResponse,
    TagLogGroupRequest, TagResourceRequest, UntagLogGroupRequest, UntagResourceRequest,
};
use crate::{Logs, groups, names};
use danbi_core::{RequestContext, Scope};
use danbi_wire::Empty;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tags that a group may bear.
const MAX_TAGS: usize = 50;

/// `TagLogGroup`.
pub(crate) async fn tag_group(
    logs: Arc<Logs>,
    context: RequestContext,
    input: TagLogGroupRequest,
) -> Result<Empty, LogsError> {
    tag(&logs, &context.scope, &input.log_group_name, &input.tags).await
}

/// `UntagLogGroup`.
pub(crate) async fn untag_group(
    logs: Arc<Logs>,
    context: RequestContext,
    input: UntagLogGroupRequest,
) -> Result<Empty, LogsError> {
    untag(&logs, &context.scope, &input.log_group_name, &input.tags).await
}

/// `ListTagsLogGroup`.
pub(crate) async fn list_group(
    logs: Arc<Logs>,
    context: RequestContext,
    input: ListTagsLogGroupRequest,
) -> Result<ListTagsLogGroupResponse, LogsError> {
    let tags = list(&logs, &context.scope, &input.log_group_name).await?;
    Ok(ListTagsLogGroupResponse { tags: Some(tags) })
}

/// `TagResource`.
pub(crate) async fn tag_resource(
    logs: Arc<Logs>,
    context: RequestContext,
    input: TagResourceRequest,
) -> Result<Empty, LogsError> {
    let group = names::tagged_group(&context.scope, &input.resource_arn)?;
    tag(&logs, &context.scope, &group, &input.tags)
        .await
        .map_err(as_resource)
}

/// `UntagResource`.
pub(crate) async fn untag_resource(
    logs: Arc<Logs>,
    context: RequestContext,
    input: UntagResourceRequest,
) -> Result<Empty, LogsError> {
    let group = names::tagged_group(&context.scope, &input.resource_arn)?;
    untag(&logs, &context.scope, &group, &input.tag_keys)
        .await
        .map_err(as_resource)
}

/// `ListTagsForResource`.
pub(crate) async fn list_resource(
    logs: Arc<Logs>,
    context: RequestContext,
    input: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, LogsError> {
    let group = names::tagged_group(&context.scope, &input.resource_arn)?;
    let tags = list(&logs, &context.scope, &group).await.map_err(as_resource)?;
    Ok(ListTagsForResourceResponse { tags: Some(tags) })
}

async fn tag(logs: &Logs, scope: &Scope, group: &str, tags: &BTreeMap<String, String>) -> Result<Empty, LogsError> {
    groups::change(logs, scope, group, |group| {
        group
            .tags
            .extend(tags.iter().map(|(key, value)| (key.clone(), value.clone())));
        if group.tags.len() > MAX_TAGS {
            Err(LogsError::TooManyTags)
        } else {
            Ok(Empty {})
        }
    })
    .await
}

async fn untag(logs: &Logs, scope: &Scope, group: &str, keys: &[String]) -> Result<Empty, LogsError> {
    groups::change(logs, scope, group, |group| {
        group.tags.retain(|key, _| !keys.contains(key));
        Ok(Empty {})
    })
    .await
}

async fn list(logs: &Logs, scope: &Scope, group: &str) -> Result<BTreeMap<String, String>, LogsError> {
    let snapshot = logs.store.snapshot().await?;
    Ok(groups::read(&snapshot, scope, group)
        .await?
        .ok_or(LogsError::NoGroup)?
        .tags)
}

fn as_resource(error: LogsError) -> LogsError {
    if matches!(error, LogsError::NoGroup) {
        LogsError::NoResource
    } else {
        error
    }
}
