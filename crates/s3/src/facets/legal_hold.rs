use std::sync::Arc;

use danbi_core::RequestContext;

use super::retention::none;
use super::tagging::marker;
use crate::records::Version;
use crate::shapes::{
    GetObjectLegalHoldOutput, GetObjectLegalHoldRequest, ObjectLockLegalHold, PutObjectLegalHoldOutput,
    PutObjectLegalHoldRequest,
};
use crate::{Error, Result, S3, object_lock, versions};

/// Whether a version is held.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetObjectLegalHoldRequest,
) -> Result<GetObjectLegalHoldOutput> {
    let view = s3.snapshot().await?;
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
    object_lock::require(&bucket)?;
    let found = versions::object(&view, &bucket, &input.key, input.version_id.as_deref(), "GET").await;
    let (_, object) = found.map_err(|error| marker(error, "GET"))?;
    let held = object.legal_hold.ok_or_else(none)?;
    Ok(GetObjectLegalHoldOutput {
        legal_hold: Some(ObjectLockLegalHold {
            status: Some(if held { "ON" } else { "OFF" }.into()),
        }),
    })
}

/// Holds a version, or lets it go.
pub(crate) async fn put(
    s3: Arc<S3>,
    context: RequestContext,
    input: PutObjectLegalHoldRequest,
) -> Result<PutObjectLegalHoldOutput> {
    let (service, context, input) = (&s3, &context, &input);
    s3.store
        .transact(async |tx| {
            let owner = input.expected_bucket_owner.as_deref();
            let bucket = service.bucket(&tx, context, &input.bucket, owner).await?;
            object_lock::require(&bucket)?;
            let status = input.legal_hold.as_ref().and_then(|hold| hold.status.as_deref());
            let held = match status {
                Some("ON") => true,
                Some("OFF") => false,
                _ => return Err(Error::malformed_xml()),
            };
            let found = versions::object(&tx, &bucket, &input.key, input.version_id.as_deref(), "PUT").await;
            let (version, mut object) = found.map_err(|error| marker(error, "PUT"))?;
            object.legal_hold = Some(held);
            let version = Version {
                object: Some(object),
                ..version
            };
            versions::rewrite(&tx, &bucket, &input.key, &version).await
        })
        .await?;
    Ok(PutObjectLegalHoldOutput::default())
}
