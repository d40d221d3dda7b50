//! TagResource, UntagResource, ListTagsForResource.

use crate::names::TopicName;
use crate::records::{Topic, put};
use crate::shapes::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, Tag, TagResourceRequest, TagResourceResponse,
    UntagResourceRequest, UntagResourceResponse,
};
use crate::{Error, Sns, keys, topics};
use danbi_core::RequestContext;
use danbi_store::Transaction;
use std::collections::BTreeMap;
use std::sync::Arc;

const MOST_TAGS: usize = 50;

/// The tags of a request, whose keys must differ.
pub(crate) fn of_list(tags: &[Tag]) -> Result<BTreeMap<String, String>, Error> {
    let map: BTreeMap<String, String> = tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
    if map.len() != tags.len() {
        return Err(Error::invalid("Duplicated keys are not allowed."));
    }
    check(&map)?;
    Ok(map)
}

fn check(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    if tags.len() > MOST_TAGS {
        return Err(Error::Batch(
            "TagLimitExceeded",
            "Could not complete request: tag quota of per resource exceeded".into(),
        ));
    }
    Ok(())
}

async fn topic(tx: &Transaction, name: &TopicName) -> Result<Topic, Error> {
    topics::of(tx, name).await.map_err(no_resource)
}

fn no_resource(error: Error) -> Error {
    match error {
        Error::NotFound(_) => Error::NoResource,
        error => error,
    }
}

/// TagResource.
pub(crate) async fn tag(
    sns: Arc<Sns>,
    _: RequestContext,
    input: TagResourceRequest,
) -> Result<TagResourceResponse, Error> {
    let (name, new) = (
        &TopicName::of_arn(&input.resource_arn, "ResourceArn")?,
        &of_list(&input.tags)?,
    );
    sns.store
        .transact(async |tx| {
            let mut record = topic(&tx, name).await?;
            record.tags.extend(new.clone());
            check(&record.tags)?;
            put(&tx, &keys::topic(&name.scope, &name.name), &record)?;
            Ok(TagResourceResponse {})
        })
        .await
}

/// UntagResource.
pub(crate) async fn untag(
    sns: Arc<Sns>,
    _: RequestContext,
    input: UntagResourceRequest,
) -> Result<UntagResourceResponse, Error> {
    let (name, gone) = (&TopicName::of_arn(&input.resource_arn, "ResourceArn")?, &input.tag_keys);
    sns.store
        .transact(async |tx| {
            let mut record = topic(&tx, name).await?;
            record.tags.retain(|key, _| !gone.contains(key));
            put(&tx, &keys::topic(&name.scope, &name.name), &record)?;
            Ok(UntagResourceResponse {})
        })
        .await
}

/// ListTagsForResource.
pub(crate) async fn list(
    sns: Arc<Sns>,
    _: RequestContext,
    input: ListTagsForResourceRequest,
) -> Result<ListTagsForResourceResponse, Error> {
    let name = TopicName::of_arn(&input.resource_arn, "ResourceArn")?;
    let record = topics::of(&sns.snapshot().await?, &name).await.map_err(no_resource)?;
    let tags = record.tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
    Ok(ListTagsForResourceResponse { tags: Some(tags) })
}
