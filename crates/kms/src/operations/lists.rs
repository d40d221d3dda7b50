//! `ListKeys`.

use crate::error::Result;
use crate::shapes::{KeyListEntry, ListKeysRequest, ListKeysResponse};
use crate::{Kms, catalog, keys, names, paging};
use danbi_core::RequestContext;
use danbi_store::Direction;
use std::sync::Arc;

/// ListKeys: by id.
pub(crate) async fn keys(kms: Arc<Kms>, context: RequestContext, input: ListKeysRequest) -> Result<ListKeysResponse> {
    let scope = &context.scope;
    let mut range = keys::below(keys::all_keys(scope));
    if let Some(after) = paging::after(input.marker.as_deref())? {
        range = range.after(&keys::key(scope, &after));
    }
    let page = kms
        .snapshot()
        .await?
        .scan(range, Direction::Forward, paging::limit(input.limit))
        .await?;
    let mut listed = Vec::with_capacity(page.entries.len());
    for (key, _) in &page.entries {
        let id = catalog::name_of(key, 4)?;
        listed.push(KeyListEntry {
            key_arn: Some(names::key_arn(scope, &id)),
            key_id: Some(id),
        });
    }
    let last = listed.last().and_then(|entry| entry.key_id.as_deref());
    Ok(ListKeysResponse {
        next_marker: last.filter(|_| page.more).map(paging::marker),
        truncated: Some(page.more),
        keys: Some(listed),
    })
}
