use crate::shapes::{GetBucketLocationOutput, GetBucketLocationRequest, HeadBucketOutput, HeadBucketRequest};
use crate::{Result, S3, names};
use danbi_core::RequestContext;
use std::sync::Arc;

/// HeadBucket.
pub(crate) async fn head(s3: Arc<S3>, context: RequestContext, input: HeadBucketRequest) -> Result<HeadBucketOutput> {
    let view = s3.snapshot().await?;
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
    Ok(HeadBucketOutput {
        bucket_arn: Some(names::bucket_arn(&input.bucket)),
        bucket_region: Some(names::region_of(&bucket.region).to_owned()),
        access_point_alias: Some(false),
        ..HeadBucketOutput::default()
    })
}

/// GetBucketLocation: nothing for us-east-1, and `EU` for buckets that were made so.
pub(crate) async fn location(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketLocationRequest,
) -> Result<GetBucketLocationOutput> {
    let view = s3.snapshot().await?;
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
    Ok(GetBucketLocationOutput {
        location_constraint: Some(bucket.region).filter(|region| region != "us-east-1"),
    })
}
