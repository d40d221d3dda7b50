//! TagQueue, UntagQueue, ListQueueTags.

use crate::names::QueueName;
use crate::records::{Read, put};
use crate::shapes::{ListQueueTagsRequest, ListQueueTagsResult, TagQueueRequest, UntagQueueRequest};
use crate::{Error, Sqs, keys};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::collections::BTreeMap;
use std::sync::Arc;

const MOST_TAGS: usize = 50;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;

/// Checks the tags of a queue.
pub(crate) fn check(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    if tags.len() > MOST_TAGS {
        return Err(Error::parameter(format!(
            "Too many tags added for queue. Maximum is {MOST_TAGS}."
        )));
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > MAX_KEY {
            return Err(Error::parameter(
                "Tag keys must be between 1 and 128 characters in length.",
            ));
        }
        if value.chars().count() > MAX_VALUE {
            return Err(Error::parameter("Tag values may not be longer than 256 characters."));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(Error::parameter("Tag keys cannot start with aws:."));
        }
    }
    Ok(())
}

/// TagQueue.
pub(crate) async fn tag(sqs: Arc<Sqs>, context: RequestContext, input: TagQueueRequest) -> Result<Empty, Error> {
    let (name, new) = (&QueueName::of_url(&context, &input.queue_url)?, &input.tags);
    if new.is_empty() {
        return Err(Error::Missing("Tags"));
    }
    sqs.store
        .transact(async |tx| {
            let mut queue = tx.queue(name).await?;
            queue.tags.extend(new.clone());
            check(&queue.tags)?;
            put(&tx, &keys::queue(name), &queue)?;
            Ok(Empty {})
        })
        .await
}

/// UntagQueue: a tag that is not there is removed too.
pub(crate) async fn untag(sqs: Arc<Sqs>, context: RequestContext, input: UntagQueueRequest) -> Result<Empty, Error> {
    let (name, gone) = (&QueueName::of_url(&context, &input.queue_url)?, &input.tag_keys);
    if gone.is_empty() {
        return Err(Error::Missing("TagKeys"));
    }
    sqs.store
        .transact(async |tx| {
            let mut queue = tx.queue(name).await?;
            queue.tags.retain(|key, _| !gone.contains(key));
            put(&tx, &keys::queue(name), &queue)?;
            Ok(Empty {})
        })
        .await
}

/// ListQueueTags.
pub(crate) async fn list(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: ListQueueTagsRequest,
) -> Result<ListQueueTagsResult, Error> {
    let name = QueueName::of_url(&context, &input.queue_url)?;
    let queue = sqs.snapshot().await?.queue(&name).await?;
    Ok(ListQueueTagsResult {
        tags: (!queue.tags.is_empty()).then_some(queue.tags),
    })
}
