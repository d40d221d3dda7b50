//! `TagResource`, `UntagResource`, `ListResourceTags`.

use super::change;
use crate::error::Result;
use crate::names::KeyName;
use crate::shapes::{ListResourceTagsRequest, ListResourceTagsResponse, TagResourceRequest, UntagResourceRequest};
use crate::{Kms, catalog, paging, tags};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

/// TagResource.
pub(crate) async fn tag(kms: Arc<Kms>, context: RequestContext, input: TagResourceRequest) -> Result<Empty> {
    let given = tags::read(&input.tags)?;
    change(&kms, &context, &input.key_id, |scope, key| {
        key.check_not_doomed(scope)?;
        key.tags.extend(given.clone());
        tags::check_count(&key.tags)?;
        Ok(Empty {})
    })
    .await
}

/// UntagResource.
pub(crate) async fn untag(kms: Arc<Kms>, context: RequestContext, input: UntagResourceRequest) -> Result<Empty> {
    change(&kms, &context, &input.key_id, |scope, key| {
        key.check_not_doomed(scope)?;
        key.tags.retain(|name, _| !input.tag_keys.contains(name));
        Ok(Empty {})
    })
    .await
}

/// ListResourceTags: by key.
pub(crate) async fn list(
    kms: Arc<Kms>,
    context: RequestContext,
    input: ListResourceTagsRequest,
) -> Result<ListResourceTagsResponse> {
    let (scope, id) = KeyName::parse_id(&context, &input.key_id)?;
    let key = catalog::by_id(&kms.snapshot().await?, &scope, &id).await?;
    let after = paging::after(input.marker.as_deref())?;
    let mut rest = tags::shown(&key.tags);
    rest.retain(|tag| after.as_ref().is_none_or(|after| tag.tag_key > *after));
    let limit = paging::limit(input.limit);
    let more = rest.len() > limit;
    rest.truncate(limit);
    let last = rest.last().map(|tag| paging::marker(&tag.tag_key));
    Ok(ListResourceTagsResponse {
        tags: Some(rest),
        next_marker: last.filter(|_| more),
        truncated: Some(more),
    })
}
