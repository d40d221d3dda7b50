//! What retention the objects of a bucket get by themselves.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html>.

use super::bucket_of;
use crate::bucket_config::{self, kind};
use crate::records::Versioning;
use crate::shapes::{
    GetObjectLockConfigurationOutput, GetObjectLockConfigurationRequest, ObjectLockConfiguration,
    PutObjectLockConfigurationOutput, PutObjectLockConfigurationRequest,
};
use crate::{Dialect, Error, Result, S3};
use danbi_core::RequestContext;
use std::sync::Arc;

/// The longest retention by default.
const MAX_DAYS: i32 = 36_500;
const MAX_YEARS: i32 = 100;

/// PutObjectLockConfiguration. Switches the lock on, which nothing can undo.
pub(crate) async fn put(
    s3: Arc<S3>,
    context: RequestContext,
    input: PutObjectLockConfigurationRequest,
) -> Result<PutObjectLockConfigurationOutput> {
    let of = bucket_of!(input);
    s3.store
        .transact(async |tx| {
            let mut bucket = s3.bucket(&tx, &context, of.bucket, of.expected_owner).await?;
            let given = input
                .object_lock_configuration
                .as_ref()
                .ok_or_else(Error::malformed_xml)?;
            validate(given, s3.options.dialect)?;
            if bucket.versioning != Versioning::Enabled {
                let message = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
                return Err(Error::client("InvalidBucketState", 409, message));
            }
            bucket.object_lock = true;
            bucket_config::put(&tx, of.bucket, &mut bucket, kind::OBJECT_LOCK, given)?;
            bucket_config::save(&tx, of.bucket, &bucket)?;
            Ok(PutObjectLockConfigurationOutput::default())
        })
        .await
}

/// GetObjectLockConfiguration.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetObjectLockConfigurationRequest,
) -> Result<GetObjectLockConfigurationOutput> {
    let of = bucket_of!(input);
    let view = s3.snapshot().await?;
    let bucket = s3.bucket(&view, &context, of.bucket, of.expected_owner).await?;
    if !bucket.object_lock {
        let message = "Object Lock configuration does not exist for this bucket";
        return Err(Error::client("ObjectLockConfigurationNotFoundError", 404, message).with("BucketName", of.bucket));
    }
    let kept: Option<ObjectLockConfiguration> = bucket_config::get(&view, &bucket, kind::OBJECT_LOCK).await?;
    let enabled = || ObjectLockConfiguration {
        object_lock_enabled: Some("Enabled".into()),
        rule: None,
    };
    Ok(GetObjectLockConfigurationOutput {
        object_lock_configuration: Some(kept.unwrap_or_else(enabled)),
    })
}

fn validate(given: &ObjectLockConfiguration, dialect: Dialect) -> Result<()> {
    if given.object_lock_enabled.as_deref() != Some("Enabled") {
        return Err(Error::malformed_xml());
    }
    let Some(rule) = &given.rule else { return Ok(()) };
    let retention = rule.default_retention.as_ref().ok_or_else(Error::malformed_xml)?;
    if !matches!(retention.mode.as_deref(), Some("GOVERNANCE" | "COMPLIANCE")) {
        return Err(Error::malformed_xml());
    }
    let (length, longest, unit) = match (retention.days, retention.years) {
        (Some(days), None) => (days, MAX_DAYS, "days"),
        (None, Some(years)) => (years, MAX_YEARS, "years"),
        _ => return Err(Error::malformed_xml()),
    };
    if length <= 0 {
        return Err(dialect.no_retention());
    }
    if length > longest {
        let message = format!("Default retention period too large. Maximum is {longest} {unit}.");
        return Err(Error::client("InvalidArgument", 400, message));
    }
    Ok(())
}
