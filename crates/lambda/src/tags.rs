//! TagResource, UntagResource, ListTags.

use crate::lambda::Lambda;
use crate::names::{FunctionId, FunctionRef};
use crate::records::{Read, put};
use crate::shapes::{ListTagsRequest, ListTagsResponse, TagResourceRequest, UntagResourceRequest};
use crate::{Error, keys};
use danbi_core::{Arn, RequestContext};
use danbi_store::Transaction;
use danbi_wire::Empty;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most tags of a function.
const MAX_TAGS: usize = 50;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;
/// The tag by which a function is an app.
pub(crate) const APP_TAG: &str = "danbi:app";
/// The pattern that AWS quotes when a resource cannot have tags.
const PATTERN: &str = r"arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)";

/// A function's tags by name.
pub(crate) type Tags = BTreeMap<String, String>;

/// The function that a request's `Resource` names.
pub(crate) fn resource(text: &str) -> Result<FunctionId, Error> {
    let reference = text.parse::<Arn>().ok().and_then(|arn| FunctionRef::from_arn(&arn));
    let reference = reference.ok_or_else(|| {
        Error::constraint(
            text,
            "resource",
            format_args!("Member must satisfy regular expression pattern: {PATTERN}"),
        )
    })?;
    if reference.qualifier.is_some() {
        return Err(Error::InvalidParameter(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.".into(),
        ));
    }
    Ok(reference.id)
}

/// Checks names, values and number.
pub(crate) fn check(tags: &Tags) -> Result<(), Error> {
    if tags.len() > MAX_TAGS {
        return Err(Error::InvalidParameter(
            "Number of tags exceeds resource tag limit.".into(),
        ));
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > MAX_KEY || key.to_ascii_lowercase().starts_with("aws:") {
            return Err(Error::InvalidParameter(format!(
                "The tag key {key:?} is not valid: 1 to 128 characters, not beginning with aws:"
            )));
        }
        if value.chars().count() > MAX_VALUE {
            return Err(Error::InvalidParameter(format!(
                "The value of the tag {key:?} is longer than 256 characters."
            )));
        }
    }
    Ok(())
}

/// The function's tags.
pub(crate) async fn read(view: &impl Read, id: &FunctionId) -> Result<Tags, Error> {
    Ok(view.record(&keys::tags(id)).await?.unwrap_or_default())
}

/// Sets all tags of a function, and the index of apps with them.
pub(crate) async fn replace(tx: &Transaction, id: &FunctionId, tags: &Tags) -> Result<(), Error> {
    let before = read(tx, id).await?;
    if let Some(app) = before.get(APP_TAG) {
        tx.delete(&keys::app(app, id))?;
    }
    if let Some(app) = tags.get(APP_TAG) {
        tx.put(&keys::app(app, id), Vec::new())?;
    }
    if tags.is_empty() {
        Ok(tx.delete(&keys::tags(id))?)
    } else {
        put(tx, &keys::tags(id), tags)
    }
}

impl Lambda {
    async fn change_tags(&self, id: &FunctionId, change: impl Fn(&mut Tags) + Send + Sync) -> Result<Empty, Error> {
        let change = &change;
        self.store
            .transact(async |tx| {
                let mut function = tx
                    .function(id)
                    .await?
                    .ok_or_else(|| Error::function_not_found(id.arn()))?;
                let mut tags = read(&tx, id).await?;
                change(&mut tags);
                check(&tags)?;
                replace(&tx, id, &tags).await?;
                function.latest.touch();
                put(&tx, &keys::function(id), &function)?;
                Ok::<_, Error>(Empty {})
            })
            .await
    }
}

/// TagResource.
pub(crate) async fn tag(lambda: Arc<Lambda>, _: RequestContext, input: TagResourceRequest) -> Result<Empty, Error> {
    if input.tags.is_empty() {
        return Err(Error::InvalidParameter(
            "An error occurred and the request cannot be processed.".into(),
        ));
    }
    let id = resource(&input.resource)?;
    lambda.change_tags(&id, |tags| tags.extend(input.tags.clone())).await
}

/// UntagResource.
pub(crate) async fn untag(lambda: Arc<Lambda>, _: RequestContext, input: UntagResourceRequest) -> Result<Empty, Error> {
    if input.tag_keys.is_empty() {
        return Err(Error::Validation(
            "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null".into(),
        ));
    }
    let id = resource(&input.resource)?;
    lambda
        .change_tags(&id, |tags| tags.retain(|key, _| !input.tag_keys.contains(key)))
        .await
}

/// ListTags.
pub(crate) async fn list(
    lambda: Arc<Lambda>,
    _: RequestContext,
    input: ListTagsRequest,
) -> Result<ListTagsResponse, Error> {
    let id = resource(&input.resource)?;
    let view = lambda.snapshot().await?;
    view.function(&id)
        .await?
        .ok_or_else(|| Error::function_not_found(id.arn()))?;
    Ok(ListTagsResponse {
        tags: Some(read(&view, &id).await?),
    })
}
