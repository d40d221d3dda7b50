use crate::records::{self, Versioning};
use crate::shapes::{GetBucketVersioningOutput, GetBucketVersioningRequest, PutBucketVersioningRequest};
use crate::{Error, Result, S3, keys};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

/// GetBucketVersioning.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketVersioningRequest,
) -> Result<GetBucketVersioningOutput> {
    let view = s3.snapshot().await?;
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
    let status = match bucket.versioning {
        Versioning::Never => None,
        Versioning::Enabled => Some("Enabled".to_owned()),
        Versioning::Suspended => Some("Suspended".to_owned()),
    };
    Ok(GetBucketVersioningOutput {
        status,
        mfa_delete: None,
    })
}

/// PutBucketVersioning. Deletes that ask for a second factor are not built: who wants them switched on is told so.
pub(crate) async fn put(s3: Arc<S3>, context: RequestContext, input: PutBucketVersioningRequest) -> Result<Empty> {
    if input.versioning_configuration.mfa_delete.as_deref() == Some("Enabled") {
        let message = "MFA Delete is not built: no second factor could be checked.";
        return Err(Error::client("NotImplemented", 501, message));
    }
    let versioning = match input.versioning_configuration.status.as_deref() {
        Some("Enabled") => Versioning::Enabled,
        Some("Suspended") => Versioning::Suspended,
        Some(_) => return Err(Error::malformed_xml()),
        None => {
            let message = "The Versioning element must be specified";
            return Err(Error::client("IllegalVersioningConfigurationException", 400, message));
        }
    };
    s3.store
        .transact(async |tx| {
            let owner = input.expected_bucket_owner.as_deref();
            let mut bucket = s3.bucket(&tx, &context, &input.bucket, owner).await?;
            if bucket.object_lock && versioning == Versioning::Suspended {
                let message = "An Object Lock configuration is present on this bucket, so the versioning state cannot \
                               be changed.";
                return Err(Error::client("InvalidBucketState", 409, message));
            }
            if bucket.versioning != versioning {
                bucket.versioning = versioning;
                tx.put(&keys::bucket(&input.bucket), records::encode(&bucket)?)?;
            }
            Ok(Empty {})
        })
        .await
}
