//! AddTagsToResource, RemoveTagsFromResource, ListTagsForResource.

use super::newest;
use crate::error::{Error, Result};
use crate::filters::Tags;
use crate::records::{View, put};
use crate::shapes::{
    AddTagsToResourceRequest, AddTagsToResourceResult, ListTagsForResourceRequest, ListTagsForResourceResult,
    RemoveTagsFromResourceRequest, RemoveTagsFromResourceResult, Tag,
};
use crate::{Ssm, keys, names};
use danbi_core::{RequestContext, Scope};
use danbi_store::Transaction;
use std::sync::Arc;

/// Tags of a parameter.
const MOST: usize = 50;

/// The tags of a request.
pub(crate) fn read(tags: &[Tag]) -> Result<Tags> {
    let mut read = Tags::new();
    for tag in tags {
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            return Err(Error::validation(format!(
                "Tag key {} is invalid: aws: prefixed tag key names are not allowed for external use.",
                tag.key
            )));
        }
        if read.insert(tag.key.clone(), tag.value.clone()).is_some() {
            return Err(Error::validation(format!("Duplicate tag keys found: {}", tag.key)));
        }
    }
    check(&read)?;
    Ok(read)
}

fn check(tags: &Tags) -> Result<()> {
    match tags.len() {
        0..=MOST => Ok(()),
        _ => Err(Error::client("TooManyTagsError", "")),
    }
}

/// The key name of the parameter that a request names.
fn parameter(scope: &Scope, kind: &str, id: &str) -> Result<String> {
    if kind != "Parameter" {
        return Err(Error::not_built(format!(
            "Tags of {kind} are not built: of Systems Manager there is the Parameter Store."
        )));
    }
    match names::parse(scope, id) {
        Ok(named) if named.selector.is_none() => Ok(named.key),
        _ => Err(no_resource()),
    }
}

fn no_resource() -> Error {
    Error::client("InvalidResourceId", "")
}

async fn tags_of(ssm: &Ssm, view: &impl View, scope: &Scope, name: &str) -> Result<Tags> {
    newest(view, scope, name, ssm.now())
        .await
        .map_err(|error| if error.is_absence() { no_resource() } else { error })?;
    Ok(view.record(&keys::tags(scope, name)).await?.unwrap_or_default())
}

/// AddTagsToResource.
pub(crate) async fn add(
    ssm: Arc<Ssm>,
    context: RequestContext,
    input: AddTagsToResourceRequest,
) -> Result<AddTagsToResourceResult> {
    let (scope, new) = (&context.scope, &read(&input.tags)?);
    let name = &parameter(scope, &input.resource_type, &input.resource_id)?;
    ssm.store
        .transact(async |tx: Transaction| {
            let mut tags = tags_of(&ssm, &tx, scope, name).await?;
            tags.extend(new.clone());
            check(&tags)?;
            put(&tx, &keys::tags(scope, name), &tags)?;
            Ok(AddTagsToResourceResult {})
        })
        .await
}

/// RemoveTagsFromResource.
pub(crate) async fn remove(
    ssm: Arc<Ssm>,
    context: RequestContext,
    input: RemoveTagsFromResourceRequest,
) -> Result<RemoveTagsFromResourceResult> {
    let scope = &context.scope;
    let name = &parameter(scope, &input.resource_type, &input.resource_id)?;
    let gone = &input.tag_keys;
    ssm.store
        .transact(async |tx: Transaction| {
            let mut tags = tags_of(&ssm, &tx, scope, name).await?;
            tags.retain(|key, _| !gone.contains(key));
            put(&tx, &keys::tags(scope, name), &tags)?;
            Ok(RemoveTagsFromResourceResult {})
        })
        .await
}

/// ListTagsForResource.
pub(crate) async fn list(
    ssm: Arc<Ssm>,
    context: RequestContext,
    input: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResult> {
    let scope = &context.scope;
    let name = parameter(scope, &input.resource_type, &input.resource_id)?;
    let tags = tags_of(&ssm, &ssm.snapshot().await?, scope, &name).await?;
    let tags = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
    Ok(ListTagsForResourceResult { tag_list: Some(tags) })
}
