//! UpdateObjectEncryption: another key of KMS for a version's data key. The bytes stay as they are.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html>.

use super::tagging::marker;
use crate::encryption::{self, CustomerHeaders, Place, Wanted};
use crate::records::{Bucket, EncryptionKind, Object, Version, View};
use crate::shapes::{UpdateObjectEncryptionRequest, UpdateObjectEncryptionResponse};
use crate::{Error, Result, S3, object_lock, versions};
use danbi_core::{Arn, RequestContext, Timestamp};
use std::sync::Arc;

/// Seals the data key of a version under the key of KMS that the request names.
pub(crate) async fn update(
    s3: Arc<S3>,
    context: RequestContext,
    input: UpdateObjectEncryptionRequest,
) -> Result<UpdateObjectEncryptionResponse> {
    let Some(to) = &input.object_encryption.ssekms else {
        return Err(Error::invalid_request(
            "Requests that modify an object encryption configuration require a valid new encryption type. Valid values are \
             SSEKMS. Modify the request to specify SSE-KMS for the updated encryption type, and then try again.",
        ));
    };
    if context
        .facts
        .signature
        .as_ref()
        .is_some_and(|signed| signed.version == "AWS")
    {
        return Err(Error::invalid_request(
            "Requests that modify an object encryption configuration require Amazon Web Services Signature Version 4. Modify \
             the request to use Amazon Web Services Signature Version 4, and then try again.",
        ));
    }
    let view = s3.snapshot().await?;
    let (bucket, version, object) = find(&s3, &view, &context, &input).await?;
    check_key(&to.kms_key_arn, &bucket)?;
    check_object(&object, s3.now())?;
    let key = encryption::data_key(&s3, &context, &object.encryption, CustomerHeaders::default()).await?;
    let place = Place::of(&view, &context, &bucket, &input.bucket, &input.key).await?;
    drop(view);
    let wanted = Wanted {
        sse: Some("aws:kms"),
        kms_key_id: Some(&to.kms_key_arn),
        bucket_key: Some(to.bucket_key_enabled.unwrap_or(false)),
        ..Wanted::default()
    };
    let sealed = wanted.seal(&s3, &place, &key).await?;
    s3.store
        .transact(async |tx| {
            let (bucket, now, mut found) = find(&s3, &tx, &context, &input).await?;
            if now.id != version.id || found.encryption != object.encryption {
                let message = "A conflicting conditional operation is currently in progress against this resource. Please \
                               try again.";
                return Err(Error::client("OperationAborted", 409, message));
            }
            check_object(&found, s3.now())?;
            found.encryption = sealed.clone();
            let changed = Version {
                object: Some(found),
                ..now
            };
            versions::rewrite(&tx, &bucket, &input.key, &changed).await
        })
        .await?;
    Ok(UpdateObjectEncryptionResponse::default())
}

async fn find(
    s3: &S3,
    view: &impl View,
    context: &RequestContext,
    input: &UpdateObjectEncryptionRequest,
) -> Result<(Bucket, Version, Object)> {
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(view, context, &input.bucket, owner).await?;
    let found = versions::object(view, &bucket, &input.key, input.version_id.as_deref(), "PUT").await;
    let (version, object) = found.map_err(|error| marker(error, "PUT"))?;
    Ok((bucket, version, object))
}

/// # Errors
/// `InvalidRequest` for what is no ARN of a key, `AccessDenied` for another account's key.
fn check_key(arn: &str, bucket: &Bucket) -> Result<()> {
    let key = arn.parse::<Arn>().ok();
    let key = key.filter(|arn| arn.service == "kms" && arn.resource.starts_with("key/"));
    let Some(key) = key else {
        return Err(Error::invalid_request(
            "Requests that modify an object's encryption type to SSE-KMS require a valid Amazon Web Services KMS key Amazon \
             Resource Name (ARN). Confirm that you have a correctly formatted KMS key ARN in your request, and then try \
             again.",
        ));
    };
    if key.account != bucket.owner {
        let message = "The Amazon Web Services KMS key in the request must be owned by the same account as the bucket. Modify \
                       the request to specify a KMS key from the same account, and then try again.";
        return Err(Error::client("AccessDenied", 403, message));
    }
    Ok(())
}

/// # Errors
/// `InvalidRequest` for what a client's key protects or nobody asked to encrypt, `AccessDenied` for what is locked.
fn check_object(object: &Object, now: Timestamp) -> Result<()> {
    match &object.encryption.kind {
        EncryptionKind::S3 | EncryptionKind::Kms { .. } => {}
        EncryptionKind::Unasked => {
            return Err(Error::invalid_request(
                "The UpdateObjectEncryption operation doesn't supported unencrypted source objects. Only source objects \
                 encrypted with SSE-S3 or SSE-KMS are supported.",
            ));
        }
        EncryptionKind::Customer { .. } => {
            return Err(Error::invalid_request(
                "The UpdateObjectEncryption operation doesn't support source objects with the encryption type DSSE-KMS or \
                 SSE-C. Only source objects encrypted with SSE-S3 or SSE-KMS are supported.",
            ));
        }
    }
    object_lock::check_removal(object, now, false).map_err(|_| {
        let message = "The encryption type for the specified object can\u{2019}t be updated because that object is protected by \
                       S3 Object Lock. If the object has a governance-mode retention period or a legal hold, you must first \
                       remove the Object Lock status on the object before you issue your UpdateObjectEncryption request. You \
                       can't use the UpdateObjectEncryption operation with objects that have an Object Lock compliance mode \
                       retention period applied to them.";
        Error::client("AccessDenied", 403, message)
    })
}
