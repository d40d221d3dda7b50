use crate::acl::owner_shape;
use crate::records::{self, Listed};
use crate::shapes::{Bucket, ListBucketsOutput, ListBucketsRequest};
use crate::{Error, Result, S3, keys, names, token};
use danbi_core::RequestContext;
use danbi_store::Direction;
use std::sync::Arc;

/// The most buckets of a page.
const MAX_BUCKETS: usize = 10_000;
/// Entries read at a time.
const PAGE: usize = 1000;

/// ListBuckets: the caller's own, by name.
pub(crate) async fn list(s3: Arc<S3>, context: RequestContext, input: ListBucketsRequest) -> Result<ListBucketsOutput> {
    let limit = match input.max_buckets {
        None => MAX_BUCKETS,
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=MAX_BUCKETS).contains(limit))
            .ok_or_else(|| {
                let message = format!("Argument max-buckets must be an integer between 1 and {MAX_BUCKETS}.");
                Error::invalid_argument("max-buckets", &limit.to_string(), message)
            })?,
    };
    if let Some(region) = input
        .bucket_region
        .as_deref()
        .filter(|region| !names::is_region(region))
    {
        let message = format!("Argument value {region} is not a valid AWS Region");
        return Err(Error::client("InvalidArgument", 400, message).with("ArgumentName", "bucket-region"));
    }
    let account = context.scope.account.as_str();
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let mut range = keys::below(keys::owned_by(account, prefix));
    if let Some(token) = input.continuation_token.as_deref().filter(|token| !token.is_empty()) {
        range = range.after(&keys::owned(account, &token::open(token)?));
    }
    let view = s3.snapshot().await?;
    let mut buckets = Vec::new();
    let mut next = None;
    'pages: loop {
        let page = view.scan(range.clone(), Direction::Forward, PAGE).await?;
        for (key, value) in &page.entries {
            let listed: Listed = records::decode(value)?;
            let name = keys::owned_name(key).map_err(|error| Error::Damaged(error.to_string()))?;
            let region = names::region_of(&listed.region);
            if input.bucket_region.as_deref().is_some_and(|wanted| wanted != region) {
                continue;
            }
            if buckets.len() == limit {
                next = buckets
                    .last()
                    .and_then(|last: &Bucket| last.name.as_deref().map(token::seal));
                break 'pages;
            }
            buckets.push(Bucket {
                bucket_arn: Some(names::bucket_arn(&name)),
                name: Some(name),
                creation_date: Some(listed.created),
                bucket_region: Some(region.to_owned()),
            });
        }
        match page.entries.last() {
            Some((last, _)) if page.more => range = range.after(last),
            _ => break,
        }
    }
    Ok(ListBucketsOutput {
        buckets: Some(buckets),
        owner: Some(owner_shape(account, &*s3.accounts)),
        continuation_token: next,
        prefix: input.prefix,
    })
}
