use std::sync::Arc;

use danbi_core::RequestContext;
use danbi_store::Transaction;

use crate::ids::{ContentId, UploadId};
use crate::records::{self, Doomed};
use crate::shapes::{AbortMultipartUploadOutput, AbortMultipartUploadRequest};
use crate::{Error, Result, S3, keys};

/// Gives an upload up; its parts are removed by the sweeper.
pub(crate) async fn abort(
    s3: Arc<S3>,
    context: RequestContext,
    input: AbortMultipartUploadRequest,
) -> Result<AbortMultipartUploadOutput> {
    let (input, context, service) = (&input, &context, &s3);
    s3.store
        .transact(async |tx| {
            let owner = input.expected_bucket_owner.as_deref();
            let bucket = service.bucket(&tx, context, &input.bucket, owner).await?;
            let (id, upload) = super::find(&tx, &bucket, &input.key, &input.upload_id).await?;
            if input
                .if_match_initiated_time
                .as_ref()
                .is_some_and(|time| time.as_secs() != upload.initiated.as_secs())
            {
                return Err(Error::precondition_failed("x-amz-if-match-initiated-time"));
            }
            tx.delete(&keys::upload(&bucket.id, &input.key, &id))?;
            doom_parts(service, &tx, &id)
        })
        .await?;
    s3.doomed.notify_one();
    Ok(AbortMultipartUploadOutput::default())
}

/// Leaves the parts of an upload that is gone to the sweeper.
pub(super) fn doom_parts(s3: &S3, tx: &Transaction, id: &UploadId) -> Result<()> {
    let now = s3.now();
    let doomed = records::encode(&Doomed::Parts(*id))?;
    tx.put(&keys::doomed(now.as_millis(), &ContentId::new(now)), doomed)?;
    Ok(())
}
