//! Where a bucket's access log shall go. The wish is kept and told; no log is delivered yet, and the platform says so
//! when it takes the wish.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLogging.html>.

use super::{bucket_of, read};
use crate::bucket_config;
use crate::records::{Bucket, View};
use crate::shapes::{
    BucketLoggingStatus, GetBucketLoggingOutput, GetBucketLoggingRequest, LoggingEnabled, PutBucketLoggingRequest,
};
use crate::{Error, Result, S3, keys, names};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

const KIND: &str = "logging";

/// PutBucketLogging; an empty status switches it off.
pub(crate) async fn put(s3: Arc<S3>, context: RequestContext, input: PutBucketLoggingRequest) -> Result<Empty> {
    let of = bucket_of!(input);
    s3.store
        .transact(async |tx| {
            let mut bucket = s3.bucket(&tx, &context, of.bucket, of.expected_owner).await?;
            let Some(wanted) = &input.bucket_logging_status.logging_enabled else {
                bucket_config::delete(&tx, of.bucket, &mut bucket, KIND)?;
                return Ok(Empty {});
            };
            check(&tx, &bucket, wanted).await?;
            bucket_config::put(&tx, of.bucket, &mut bucket, KIND, &input.bucket_logging_status)?;
            Ok(Empty {})
        })
        .await
}

/// GetBucketLogging.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketLoggingRequest,
) -> Result<GetBucketLoggingOutput> {
    let kept: Option<BucketLoggingStatus> = read(&s3, &context, bucket_of!(input), KIND).await?;
    Ok(GetBucketLoggingOutput {
        logging_enabled: kept.and_then(|kept| kept.logging_enabled),
    })
}

async fn check(view: &impl View, bucket: &Bucket, wanted: &LoggingEnabled) -> Result<()> {
    for grant in wanted.target_grants.iter().flatten() {
        let permission = grant.permission.as_deref();
        if !matches!(
            permission,
            Some("FULL_CONTROL" | "READ" | "WRITE" | "READ_ACP" | "WRITE_ACP")
        ) {
            return Err(Error::malformed_xml());
        }
    }
    let target = wanted.target_bucket.as_str();
    let missing = || {
        let message = "The target bucket for logging does not exist";
        Error::client("InvalidTargetBucketForLogging", 400, message).with("TargetBucket", target)
    };
    if !names::is_bucket_name(target) {
        return Err(missing());
    }
    let found: Option<Bucket> = view.record(&keys::bucket(target)).await?;
    let found = found.ok_or_else(missing)?;
    if found.owner != bucket.owner {
        let message = "The owner for the bucket to be logged and the target bucket must be the same.";
        return Err(Error::client("InvalidTargetBucketForLogging", 400, message).with("TargetBucket", target));
    }
    if names::region_of(&found.region) != names::region_of(&bucket.region) {
        let error = Error::client(
            "CrossLocationLoggingProhibitted",
            403,
            "Cross S3 location logging not allowed. ",
        )
        .with("TargetBucketLocation", names::region_of(&found.region));
        // AWS does not say where a bucket in us-east-1 is.
        return Err(match names::region_of(&bucket.region) {
            "us-east-1" => error,
            source => error.with("SourceBucketLocation", source),
        });
    }
    Ok(())
}
