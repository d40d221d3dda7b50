//! TagResource, UntagResource, ListTagsForResource.

use crate::buses;
use crate::names::{self, Resource};
use crate::records::{Read, Rule, put};
use crate::shapes::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, Tag, TagResourceRequest, TagResourceResponse,
    UntagResourceRequest, UntagResourceResponse,
};
use crate::{Error, Events, keys};
use danbi_core::RequestContext;
use std::collections::BTreeMap;
use std::sync::Arc;

const MOST_TAGS: usize = 50;

pub(crate) type Tags = BTreeMap<String, String>;

/// The tags of a request, whose keys must differ.
pub(crate) fn of_list(tags: &[Tag]) -> Result<Tags, Error> {
    let map: Tags = tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
    if map.len() != tags.len() {
        return Err(Error::validation("Duplicate tag keys are not allowed."));
    }
    check(&map)?;
    Ok(map)
}

pub(crate) fn check(tags: &Tags) -> Result<(), Error> {
    if tags.len() > MOST_TAGS {
        return Err(Error::validation(format!(
            "A resource can have no more than {MOST_TAGS} tags."
        )));
    }
    match tags.keys().find(|key| key.starts_with("aws:")) {
        Some(key) => Err(Error::Validation(format!(
            "Tag key {key} is reserved: it begins with aws:."
        ))),
        None => Ok(()),
    }
}

/// Changes the tags of a bus or rule.
async fn change(
    events: &Events,
    context: &RequestContext,
    arn: &str,
    change: impl Fn(&mut Tags) + Sync,
) -> Result<(), Error> {
    let scope = &context.scope;
    let (resource, change, now) = (&names::tagged(scope, arn)?, &change, events.now());
    events
        .store
        .transact(async |tx| match resource {
            Resource::Bus(name) => {
                let mut bus = buses::of(&tx, scope, name).await?;
                change(&mut bus.tags);
                check(&bus.tags)?;
                bus.modified = now;
                put(&tx, &keys::bus(scope, name), &bus)
            }
            Resource::Rule { bus, name } => {
                Events::check_bus(&tx, scope, bus).await?;
                let key = keys::rule(scope, bus, name);
                let mut rule: Rule = tx.record(&key).await?.ok_or_else(|| names::no_rule(bus, name))?;
                change(&mut rule.tags);
                check(&rule.tags)?;
                put(&tx, &key, &rule)
            }
        })
        .await
}

/// TagResource.
pub(crate) async fn tag(
    events: Arc<Events>,
    context: RequestContext,
    input: TagResourceRequest,
) -> Result<TagResourceResponse, Error> {
    let new = of_list(&input.tags)?;
    change(&events, &context, &input.resource_arn, |tags| tags.extend(new.clone())).await?;
    Ok(TagResourceResponse {})
}

/// UntagResource.
pub(crate) async fn untag(
    events: Arc<Events>,
    context: RequestContext,
    input: UntagResourceRequest,
) -> Result<UntagResourceResponse, Error> {
    change(&events, &context, &input.resource_arn, |tags| {
        tags.retain(|key, _| !input.tag_keys.contains(key))
    })
    .await?;
    Ok(UntagResourceResponse {})
}

/// ListTagsForResource.
pub(crate) async fn list(
    events: Arc<Events>,
    context: RequestContext,
    input: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, Error> {
    let scope = &context.scope;
    let view = events.snapshot().await?;
    let tags = match names::tagged(scope, &input.resource_arn)? {
        Resource::Bus(name) => buses::of(&view, scope, &name).await?.tags,
        Resource::Rule { bus, name } => {
            Events::check_bus(&view, scope, &bus).await?;
            let rule: Option<Rule> = view.record(&keys::rule(scope, &bus, &name)).await?;
            rule.ok_or_else(|| names::no_rule(&bus, &name))?.tags
        }
    };
    let tags = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
    Ok(ListTagsForResourceResponse { tags: Some(tags) })
}
