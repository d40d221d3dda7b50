//! The tags of a bucket.

use super::{bucket_of, read, remove, set};
use crate::bucket_config::kind;
use crate::shapes::{
    DeleteBucketTaggingRequest, GetBucketTaggingOutput, GetBucketTaggingRequest, PutBucketTaggingRequest, Tagging,
};
use crate::{Error, Result, S3, tags};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

/// PutBucketTagging. An empty set is the same as none.
pub(crate) async fn put(s3: Arc<S3>, context: RequestContext, input: PutBucketTaggingRequest) -> Result<Empty> {
    let of = bucket_of!(input);
    tags::check_bucket_tags(&input.tagging.tag_set)?;
    if input.tagging.tag_set.is_empty() {
        return remove(&s3, &context, of, kind::TAGGING).await;
    }
    set(&s3, &context, of, kind::TAGGING, &input.tagging).await
}

/// GetBucketTagging.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketTaggingRequest,
) -> Result<GetBucketTaggingOutput> {
    let kept: Option<Tagging> = read(&s3, &context, bucket_of!(input), kind::TAGGING).await?;
    match kept {
        Some(kept) => Ok(GetBucketTaggingOutput { tag_set: kept.tag_set }),
        None => Err(Error::client("NoSuchTagSet", 404, "The TagSet does not exist").with("BucketName", input.bucket)),
    }
}

/// DeleteBucketTagging.
pub(crate) async fn delete(s3: Arc<S3>, context: RequestContext, input: DeleteBucketTaggingRequest) -> Result<Empty> {
    remove(&s3, &context, bucket_of!(input), kind::TAGGING).await
}
