//! Which public access a bucket blocks, whatever its policy and its lists say.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>.

use crate::bucket_config;
use crate::shapes::{
    DeletePublicAccessBlockRequest, GetPublicAccessBlockOutput, GetPublicAccessBlockRequest,
    PublicAccessBlockConfiguration, PutPublicAccessBlockRequest,
};
use crate::{Error, Result, S3};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Blocks {
    /// `BlockPublicAcls`: no new list may be public.
    pub public_acls: bool,
    /// `IgnorePublicAcls`: what lists grant to everybody does not count.
    pub granted_by_acls: bool,
    /// `BlockPublicPolicy`: no new policy may be public.
    pub public_policies: bool,
    /// `RestrictPublicBuckets`: what a public policy grants counts within the owner's account only.
    pub granted_by_policies: bool,
}

impl Blocks {
    /// What new buckets block since April 2023.
    pub(crate) const ALL: Self = Self {
        public_acls: true,
        granted_by_acls: true,
        public_policies: true,
        granted_by_policies: true,
    };

    fn of(shape: &PublicAccessBlockConfiguration) -> Self {
        let set = |member: Option<bool>| member == Some(true);
        Self {
            public_acls: set(shape.block_public_acls),
            granted_by_acls: set(shape.ignore_public_acls),
            public_policies: set(shape.block_public_policy),
            granted_by_policies: set(shape.restrict_public_buckets),
        }
    }

    fn shape(self) -> PublicAccessBlockConfiguration {
        PublicAccessBlockConfiguration {
            block_public_acls: Some(self.public_acls),
            ignore_public_acls: Some(self.granted_by_acls),
            block_public_policy: Some(self.public_policies),
            restrict_public_buckets: Some(self.granted_by_policies),
        }
    }
}

/// PutPublicAccessBlock.
pub(crate) async fn put(s3: Arc<S3>, context: RequestContext, input: PutPublicAccessBlockRequest) -> Result<Empty> {
    let name = input.bucket.as_str();
    let given = &input.public_access_block_configuration;
    if *given == PublicAccessBlockConfiguration::default() {
        let message = "Must specify at least one configuration.";
        return Err(Error::invalid_request(message));
    }
    let blocks = Blocks::of(given);
    s3.store
        .transact(async |tx| {
            let expected = input.expected_bucket_owner.as_deref();
            let mut bucket = s3.bucket(&tx, &context, name, expected).await?;
            bucket.public_access = Some(blocks);
            bucket_config::save(&tx, name, &bucket)?;
            Ok(Empty {})
        })
        .await
}

/// GetPublicAccessBlock.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetPublicAccessBlockRequest,
) -> Result<GetPublicAccessBlockOutput> {
    let view = s3.snapshot().await?;
    let expected = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, expected).await?;
    let blocks = bucket.public_access.ok_or_else(|| {
        let message = "The public access block configuration was not found";
        Error::client("NoSuchPublicAccessBlockConfiguration", 404, message).with("BucketName", input.bucket.as_str())
    })?;
    Ok(GetPublicAccessBlockOutput {
        public_access_block_configuration: Some(blocks.shape()),
    })
}

/// DeletePublicAccessBlock; there need not be one.
pub(crate) async fn delete(
    s3: Arc<S3>,
    context: RequestContext,
    input: DeletePublicAccessBlockRequest,
) -> Result<Empty> {
    let name = input.bucket.as_str();
    s3.store
        .transact(async |tx| {
            let expected = input.expected_bucket_owner.as_deref();
            let mut bucket = s3.bucket(&tx, &context, name, expected).await?;
            bucket.public_access = None;
            bucket_config::save(&tx, name, &bucket)?;
            Ok(Empty {})
        })
        .await
}
