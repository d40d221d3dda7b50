//! Which inventories of a bucket shall be written. The wishes are checked, kept and told; no inventory is written yet.

use super::bucket_of;
use super::named::{self, Listed};
use crate::shapes::{
    DeleteBucketInventoryConfigurationRequest, GetBucketInventoryConfigurationOutput,
    GetBucketInventoryConfigurationRequest, InventoryConfiguration, ListBucketInventoryConfigurationsOutput,
    ListBucketInventoryConfigurationsRequest, PutBucketInventoryConfigurationRequest,
};
use crate::{Error, Result, S3};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

const KIND: &str = "inventory";

/// PutBucketInventoryConfiguration.
pub(crate) async fn put(
    s3: Arc<S3>,
    context: RequestContext,
    input: PutBucketInventoryConfigurationRequest,
) -> Result<Empty> {
    let given = &input.inventory_configuration;
    validate(&input.id, given)?;
    named::set(&s3, &context, bucket_of!(input), KIND, &input.id, given).await
}

/// GetBucketInventoryConfiguration.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketInventoryConfigurationRequest,
) -> Result<GetBucketInventoryConfigurationOutput> {
    let kept = named::get(&s3, &context, bucket_of!(input), KIND, &input.id).await?;
    Ok(GetBucketInventoryConfigurationOutput {
        inventory_configuration: Some(kept),
    })
}

/// DeleteBucketInventoryConfiguration.
pub(crate) async fn delete(
    s3: Arc<S3>,
    context: RequestContext,
    input: DeleteBucketInventoryConfigurationRequest,
) -> Result<Empty> {
    named::delete(&s3, &context, bucket_of!(input), KIND, &input.id).await
}

/// ListBucketInventoryConfigurations.
pub(crate) async fn list(
    s3: Arc<S3>,
    context: RequestContext,
    input: ListBucketInventoryConfigurationsRequest,
) -> Result<ListBucketInventoryConfigurationsOutput> {
    let from = input.continuation_token.as_deref();
    let Listed { items, next } =
        named::list::<InventoryConfiguration>(&s3, &context, bucket_of!(input), KIND, from).await?;
    Ok(ListBucketInventoryConfigurationsOutput {
        is_truncated: Some(next.is_some()),
        continuation_token: input.continuation_token,
        next_continuation_token: next,
        inventory_configuration_list: Some(items).filter(|items| !items.is_empty()),
    })
}

const FIELDS: [&str; 17] = [
    "Size",
    "LastModifiedDate",
    "StorageClass",
    "ETag",
    "IsMultipartUploaded",
    "ReplicationStatus",
    "EncryptionStatus",
    "ObjectLockRetainUntilDate",
    "ObjectLockMode",
    "ObjectLockLegalHoldStatus",
    "IntelligentTieringAccessTier",
    "BucketKeyStatus",
    "ChecksumAlgorithm",
    "ObjectAccessControlList",
    "ObjectOwner",
    "LifecycleExpirationDate",
    "ObjectTags",
];

fn validate(id: &str, given: &InventoryConfiguration) -> Result<()> {
    let destination = &given.destination.s3_bucket_destination;
    let well_formed = matches!(destination.format.as_str(), "CSV" | "ORC" | "Parquet")
        && matches!(given.schedule.frequency.as_str(), "Daily" | "Weekly")
        && matches!(given.included_object_versions.as_str(), "All" | "Current")
        && given
            .optional_fields
            .iter()
            .flatten()
            .all(|field| FIELDS.contains(&field.as_str()));
    if !well_formed {
        return Err(Error::malformed_xml());
    }
    if given.id != id {
        let message = "Document ID does not match the specified configuration ID.";
        return Err(Error::client("IdMismatch", 400, message));
    }
    if !destination.bucket.starts_with("arn:aws:s3:::") {
        return Err(Error::client("InvalidS3DestinationBucket", 400, "Invalid bucket ARN."));
    }
    Ok(())
}
