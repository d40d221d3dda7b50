use std::sync::Arc;

use danbi_core::RequestContext;

use super::tagging::marker;
use crate::records::{Retention, Version};
use crate::shapes::{
    GetObjectRetentionOutput, GetObjectRetentionRequest, ObjectLockRetention, PutObjectRetentionOutput,
    PutObjectRetentionRequest,
};
use crate::{Error, Result, S3, object_lock, versions};

/// Until when a version is retained.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetObjectRetentionRequest,
) -> Result<GetObjectRetentionOutput> {
    let view = s3.snapshot().await?;
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
    object_lock::require(&bucket)?;
    let found = versions::object(&view, &bucket, &input.key, input.version_id.as_deref(), "GET").await;
    let (_, object) = found.map_err(|error| marker(error, "GET"))?;
    let retention = object.retention.ok_or_else(none)?;
    Ok(GetObjectRetentionOutput {
        retention: Some(ObjectLockRetention {
            mode: Some(object_lock::mode(&retention).into()),
            retain_until_date: Some(retention.until),
        }),
    })
}

/// A version without retention, or without legal hold.
pub(super) fn none() -> Error {
    let message = "The specified object does not have a ObjectLock configuration";
    Error::client("NoSuchObjectLockConfiguration", 404, message)
}

/// Sets until when a version is retained; an empty document takes the retention away.
///
/// That the caller may pass over governance was asked of the authorizer with the rest.
pub(crate) async fn put(
    s3: Arc<S3>,
    context: RequestContext,
    input: PutObjectRetentionRequest,
) -> Result<PutObjectRetentionOutput> {
    let (service, context, input) = (&s3, &context, &input);
    s3.store
        .transact(async |tx| {
            let owner = input.expected_bucket_owner.as_deref();
            let bucket = service.bucket(&tx, context, &input.bucket, owner).await?;
            object_lock::require(&bucket)?;
            let now = service.now();
            let wanted = wanted(input.retention.as_ref(), now)?;
            let found = versions::object(&tx, &bucket, &input.key, input.version_id.as_deref(), "PUT").await;
            let (version, mut object) = found.map_err(|error| marker(error, "PUT"))?;
            let bypass = input.bypass_governance_retention == Some(true);
            object_lock::check_change(&object, wanted.as_ref(), now, bypass)?;
            object.retention = wanted;
            let version = Version {
                object: Some(object),
                ..version
            };
            versions::rewrite(&tx, &bucket, &input.key, &version).await
        })
        .await?;
    Ok(PutObjectRetentionOutput::default())
}

fn wanted(given: Option<&ObjectLockRetention>, now: danbi_core::Timestamp) -> Result<Option<Retention>> {
    let given = given.ok_or_else(Error::malformed_xml)?;
    let (mode, until) = match (given.mode.as_deref(), given.retain_until_date) {
        (None, None) => return Ok(None),
        (Some(mode), Some(until)) => (mode, until),
        _ => return Err(Error::malformed_xml()),
    };
    let compliance = object_lock::is_compliance(mode).ok_or_else(Error::malformed_xml)?;
    if until <= now {
        let message = "The retain until date must be in the future!";
        return Err(Error::client("InvalidArgument", 400, message).with("ArgumentName", "RetainUntilDate"));
    }
    Ok(Some(Retention { compliance, until }))
}
