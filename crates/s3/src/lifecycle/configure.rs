//! The operations on a bucket's lifecycle configuration.

use super::transition::Smallest;
use super::validate::validate;
use crate::bucket_config::{self, kind};
use crate::shapes::{
    DeleteBucketLifecycleRequest, GetBucketLifecycleConfigurationOutput, GetBucketLifecycleConfigurationRequest,
    LifecycleRule, PutBucketLifecycleConfigurationOutput, PutBucketLifecycleConfigurationRequest,
};
use crate::{Error, Result, S3};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A configuration as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub rules: Vec<LifecycleRule>,
    pub minimum: String,
}

/// PutBucketLifecycleConfiguration.
pub(crate) async fn put(
    s3: Arc<S3>,
    context: RequestContext,
    input: PutBucketLifecycleConfigurationRequest,
) -> Result<PutBucketLifecycleConfigurationOutput> {
    let name = input.bucket.as_str();
    let given = input
        .lifecycle_configuration
        .as_ref()
        .ok_or_else(Error::malformed_xml)?;
    let mut rules = given.rules.clone();
    validate(&mut rules)?;
    let minimum = match input.transition_default_minimum_object_size.as_deref() {
        None => Smallest::USUAL,
        Some(known @ (Smallest::USUAL | Smallest::VARIES)) => known,
        Some(other) => {
            let message = format!("Invalid TransitionDefaultMinimumObjectSize found: {other}");
            return Err(Error::invalid_request(message));
        }
    };
    let kept = Kept {
        rules,
        minimum: minimum.to_owned(),
    };
    s3.store
        .transact(async |tx| {
            let expected = input.expected_bucket_owner.as_deref();
            let mut bucket = s3.bucket(&tx, &context, name, expected).await?;
            bucket_config::put(&tx, name, &mut bucket, kind::LIFECYCLE, &kept)
        })
        .await?;
    Ok(PutBucketLifecycleConfigurationOutput {
        transition_default_minimum_object_size: Some(kept.minimum),
    })
}

/// GetBucketLifecycleConfiguration.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketLifecycleConfigurationRequest,
) -> Result<GetBucketLifecycleConfigurationOutput> {
    let view = s3.snapshot().await?;
    let expected = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, expected).await?;
    let kept: Option<Kept> = bucket_config::get(&view, &bucket, kind::LIFECYCLE).await?;
    match kept {
        Some(kept) => Ok(GetBucketLifecycleConfigurationOutput {
            rules: Some(kept.rules),
            transition_default_minimum_object_size: Some(kept.minimum),
        }),
        None => {
            let message = "The lifecycle configuration does not exist";
            Err(Error::client("NoSuchLifecycleConfiguration", 404, message).with("BucketName", input.bucket))
        }
    }
}

/// DeleteBucketLifecycle; there need not be one.
pub(crate) async fn delete(s3: Arc<S3>, context: RequestContext, input: DeleteBucketLifecycleRequest) -> Result<Empty> {
    let name = input.bucket.as_str();
    s3.store
        .transact(async |tx| {
            let expected = input.expected_bucket_owner.as_deref();
            let mut bucket = s3.bucket(&tx, &context, name, expected).await?;
            bucket_config::delete(&tx, name, &mut bucket, kind::LIFECYCLE)?;
            Ok(Empty {})
        })
        .await
}
