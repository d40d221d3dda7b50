use std::sync::Arc;

use danbi_core::RequestContext;

use super::{MAX_PART_BYTES, upload_part};
use crate::checksum::{ChecksumFields, ChecksumValue, Declared, Verifier};
use crate::content::{self, Expected};
use crate::copy::object::find;
use crate::copy::source::{self, CopySource, SourceConditions};
use crate::encryption::{self, CustomerHeaders};
use crate::objects::put::shown_version;
use crate::shapes::{CopyPartResult, UploadPartCopyOutput, UploadPartCopyRequest};
use crate::{Result, S3};

/// Makes a part of a range of an object. Its bytes are read and sealed anew, because an upload has one data key.
pub(crate) async fn copy(
    s3: Arc<S3>,
    context: RequestContext,
    input: UploadPartCopyRequest,
) -> Result<UploadPartCopyOutput> {
    let number = super::check_part_number(input.part_number)?;
    let from = CopySource::parse(&input.copy_source)?;
    let view = s3.snapshot().await?;
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
    let (id, upload) = super::find(&view, &bucket, &input.key, &input.upload_id).await?;
    let customer = CustomerHeaders {
        algorithm: input.sse_customer_algorithm.as_deref(),
        key: input.sse_customer_key.as_deref(),
        md5: input.sse_customer_key_md5.as_deref(),
    };
    let data_key = super::part_key(&s3, &context, &upload, customer).await?;
    let source_owner = input.expected_source_bucket_owner.as_deref();
    let (source_bucket, version, object) = find(&s3, &view, &context, &from, source_owner).await?;
    let conditions = SourceConditions {
        if_match: input.copy_source_if_match.as_deref(),
        if_none_match: input.copy_source_if_none_match.as_deref(),
        if_modified_since: input.copy_source_if_modified_since,
        if_unmodified_since: input.copy_source_if_unmodified_since,
    };
    conditions.check(&version, &object)?;
    let range = source::range(input.copy_source_range.as_deref(), object.size, s3.options.dialect)?;
    source::check_size(range.end - range.start)?;
    let source_key = CustomerHeaders {
        algorithm: input.copy_source_sse_customer_algorithm.as_deref(),
        key: input.copy_source_sse_customer_key.as_deref(),
        md5: input.copy_source_sse_customer_key_md5.as_deref(),
    };
    let source_key = encryption::data_key(&s3, &context, &object.encryption, source_key).await?;

    let length = range.end - range.start;
    let body = content::read(&s3, &view, &object.content, &source_key, object.size, range).await?;
    drop(view);
    let expected = Expected {
        length: Some(length),
        max: MAX_PART_BYTES,
        verifier: Verifier::new(Declared::nothing(), &[upload_part::kept_algorithm(&upload)]),
        inline_bytes: 0,
    };
    let received = content::receive(&s3, body, &data_key, expected).await?;
    let part = upload_part::record(&s3, &upload, &received);
    let (service, context, input, part, received) = (&s3, &context, &input, &part, &received);
    s3.store
        .transact(async |tx| {
            let bucket = service.bucket(&tx, context, &input.bucket, owner).await?;
            super::find(&tx, &bucket, &input.key, &input.upload_id).await?;
            upload_part::replace(&tx, &id, number, part, received).await
        })
        .await?;

    let mut result = CopyPartResult {
        e_tag: Some(super::quoted(&part.etag)),
        last_modified: Some(part.modified),
        ..Default::default()
    };
    // As AWS does, only the checksum that the upload was begun with is shown.
    let shown = super::checksum_of(&upload).zip(part.checksum.as_ref());
    let shown = shown.and_then(|((algorithm, _), kept)| ChecksumValue::from_base64(algorithm, &kept.value));
    if let Some(value) = shown {
        result.show(&value);
    }
    let encryption = encryption::shown(&upload.encryption);
    Ok(UploadPartCopyOutput {
        copy_source_version_id: shown_version(source_bucket.versioning, &version),
        copy_part_result: Some(result),
        server_side_encryption: encryption.sse,
        ssekms_key_id: encryption.kms_key_id,
        bucket_key_enabled: encryption.bucket_key,
        sse_customer_algorithm: encryption.customer_algorithm,
        sse_customer_key_md5: encryption.customer_key_md5,
        ..Default::default()
    })
}
