use std::sync::Arc;

use danbi_core::{RequestContext, hex};

use super::MAX_PART_BYTES;
use crate::checksum::{ChecksumAlgorithm, ChecksumFields, Declared, Digests, Verifier};
use crate::content::{self, Expected, Place, Received};
use crate::encryption::{self, CustomerHeaders};
use crate::ids::UploadId;
use crate::records::{self, Checksum, Part, Upload, View};
use crate::shapes::{UploadPartOutput, UploadPartRequest};
use crate::{Error, Result, S3, keys};

/// Receives a part; one of the same number is replaced.
pub(crate) async fn upload(
    s3: Arc<S3>,
    context: RequestContext,
    mut input: UploadPartRequest,
) -> Result<UploadPartOutput> {
    let number = super::check_part_number(input.part_number)?;
    let view = s3.snapshot().await?;
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
    let (id, upload) = super::find(&view, &bucket, &input.key, &input.upload_id).await?;
    drop(view);
    let customer = CustomerHeaders {
        algorithm: input.sse_customer_algorithm.as_deref(),
        key: input.sse_customer_key.as_deref(),
        md5: input.sse_customer_key_md5.as_deref(),
    };
    let data_key = super::part_key(&s3, &context, &upload, customer).await?;
    let declared = Declared::of(
        &input,
        input.content_md5.as_deref(),
        input.checksum_algorithm.as_deref(),
        context.facts.content_sha256.as_deref(),
    )?;
    check_algorithm(&upload, declared.algorithm())?;
    let expected = Expected {
        length: input.content_length.and_then(|length| u64::try_from(length).ok()),
        max: MAX_PART_BYTES,
        verifier: Verifier::new(declared, &[kept_algorithm(&upload)]),
        inline_bytes: 0,
    };
    let body = input.body.take();
    let received = content::receive(&s3, body, &data_key, expected).await?;
    check_algorithm(&upload, received.digests.declared)?;
    let part = keep(&s3, &context, &input, &id, &upload, number, &received).await?;

    let encryption = encryption::shown(&upload.encryption);
    let mut output = UploadPartOutput {
        e_tag: Some(super::quoted(&part.etag)),
        server_side_encryption: encryption.sse,
        ssekms_key_id: encryption.kms_key_id,
        bucket_key_enabled: encryption.bucket_key,
        sse_customer_algorithm: encryption.customer_algorithm,
        sse_customer_key_md5: encryption.customer_key_md5,
        ..Default::default()
    };
    let shown = received.digests.declared.unwrap_or(kept_algorithm(&upload));
    if let Some(value) = received.digests.value(shown) {
        output.show(value);
    }
    Ok(output)
}

async fn keep(
    s3: &S3,
    context: &RequestContext,
    input: &UploadPartRequest,
    id: &UploadId,
    upload: &Upload,
    number: u32,
    received: &Received,
) -> Result<Part> {
    let part = record(s3, upload, received);
    let stored = &part;
    s3.store
        .transact(async |tx| {
            let owner = input.expected_bucket_owner.as_deref();
            let bucket = s3.bucket(&tx, context, &input.bucket, owner).await?;
            super::find(&tx, &bucket, &input.key, &input.upload_id).await?;
            replace(&tx, id, number, stored, received).await
        })
        .await?;
    Ok(part)
}

/// The record of a part that was received.
pub(super) fn record(s3: &S3, upload: &Upload, received: &Received) -> Part {
    Part {
        size: received.size,
        etag: hex::encode(received.digests.md5),
        modified: s3.now(),
        extent: match &received.place {
            Place::Blob(extent) => Some(extent.clone()),
            Place::Empty | Place::Inline(..) => None,
        },
        checksum: kept(upload, &received.digests),
    }
}

/// Puts a part in the place of the one that had its number, which is given up.
pub(super) async fn replace(
    tx: &danbi_store::Transaction,
    id: &UploadId,
    number: u32,
    part: &Part,
    received: &Received,
) -> Result<()> {
    let place = keys::part(id, number);
    let old: Option<Part> = tx.record(&place).await?;
    if let Some(extent) = old.and_then(|old| old.extent) {
        tx.delete(&keys::blob_use(&extent.blob, &extent.holder))?;
    }
    received.attach(tx)?;
    tx.put(&place, records::encode(part)?)?;
    Ok(())
}

/// The algorithm that the parts of an upload are kept with: its own, else what the object will have.
pub(super) fn kept_algorithm(upload: &Upload) -> ChecksumAlgorithm {
    super::checksum_of(upload).map_or(ChecksumAlgorithm::Crc64nvme, |(algorithm, _)| algorithm)
}

fn kept(upload: &Upload, digests: &Digests) -> Option<Checksum> {
    let value = digests.value(kept_algorithm(upload))?;
    Some(Checksum {
        algorithm: value.algorithm().name().into(),
        value: value.to_base64(),
        composite: false,
    })
}

/// # Errors
/// `InvalidRequest` when a part comes with another algorithm than its upload was begun with.
fn check_algorithm(upload: &Upload, declared: Option<ChecksumAlgorithm>) -> Result<()> {
    if let (Some((expected, _)), Some(declared)) = (super::checksum_of(upload), declared)
        && expected != declared
    {
        return Err(Error::invalid_request(format!(
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
            expected.lower_name(),
            declared.lower_name()
        )));
    }
    Ok(())
}
