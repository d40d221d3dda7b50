use std::sync::Arc;

use danbi_core::RequestContext;
use danbi_store::{Direction, Transaction};

use super::joined::{Joined, md5_of};
use super::{MAX_OBJECT_BYTES, MIN_PART_BYTES, PART_NUMBERS};
use crate::checksum::{ChecksumAlgorithm, ChecksumFields, ChecksumType, mismatch, multipart_etag};
use crate::ids::{ContentId, UploadId};
use crate::notifications::{Happened, emit};
use crate::objects::conditions::WriteConditions;
use crate::records::{self, Bucket, Checksum, EncryptionKind, Object, Part, Upload, Version, Versioning, View};
use crate::shapes::{CompleteMultipartUploadOutput, CompleteMultipartUploadRequest, CompletedPart};
use crate::{Dialect, Error, Result, S3, encryption, keys, lifecycle, names, versions};

/// Parts that are read at a time.
const PARTS_A_PAGE: usize = 1000;

/// Makes an object of the parts that are listed.
pub(crate) async fn complete(
    s3: Arc<S3>,
    context: RequestContext,
    input: CompleteMultipartUploadRequest,
) -> Result<CompleteMultipartUploadOutput> {
    conditions(&input).check_form()?;
    let listed = Listed::of(&input, s3.options.dialect)?;
    let (service, context, request, listed) = (&s3, &context, &input, &listed);
    let (bucket, version, doomed, told, expiration) = s3
        .store
        .transact(async |tx| {
            let owner = request.expected_bucket_owner.as_deref();
            let bucket = service.bucket(&tx, context, &request.bucket, owner).await?;
            let id: UploadId = request
                .upload_id
                .parse()
                .map_err(|_| Error::no_such_upload(&request.upload_id))?;
            names::check_key(&request.key)?;
            let upload: Option<Upload> = tx.record(&keys::upload(&bucket.id, &request.key, &id)).await?;
            let Some(upload) = upload else {
                let version = completed_before(&tx, &bucket, request, &id, listed).await?;
                let expiration = expiration(service, &tx, &bucket, &request.key, &version).await?;
                return Ok::<_, Error>((bucket, version, false, false, expiration));
            };
            let customer = encryption::customer!(request);
            let by_client = matches!(upload.encryption.kind, EncryptionKind::Customer { .. });
            let brings_key = customer.algorithm.is_some() || customer.key.is_some();
            if brings_key || by_client && service.options.dialect.completes_with_key() {
                super::part_key(service, context, &upload, customer).await?;
            }
            let (version, doomed) = join(service, &tx, &bucket, request, listed, &id, upload).await?;
            let happened = Happened {
                event: "s3:ObjectCreated:CompleteMultipartUpload",
                key: &request.key,
                version: &version,
            };
            let told = emit(service, &tx, context, &request.bucket, &bucket, happened).await?;
            let expiration = expiration(service, &tx, &bucket, &request.key, &version).await?;
            Ok((bucket, version, doomed, told, expiration))
        })
        .await?;
    s3.tell(told);
    if doomed {
        s3.doomed.notify_one();
    }
    Ok(CompleteMultipartUploadOutput {
        expiration,
        ..output(context, &input, &bucket, &version)
    })
}

/// When lifecycle rules will remove the object, as `x-amz-expiration` says it.
async fn expiration(
    s3: &S3,
    tx: &Transaction,
    bucket: &Bucket,
    key: &str,
    version: &Version,
) -> Result<Option<String>> {
    match &version.object {
        Some(object) => lifecycle::header(s3, tx, bucket, key, version.modified, object).await,
        None => Ok(None),
    }
}

/// The parts of the request, in their order.
struct Listed<'r> {
    parts: Vec<(u32, &'r str, &'r CompletedPart)>,
    dialect: Dialect,
}

impl<'r> Listed<'r> {
    fn of(input: &'r CompleteMultipartUploadRequest, dialect: Dialect) -> Result<Self> {
        let parts = input
            .multipart_upload
            .as_ref()
            .and_then(|upload| upload.parts.as_deref());
        let parts = parts.unwrap_or_default();
        if parts.is_empty() {
            return Err(dialect.no_parts());
        }
        let mut listed: Vec<(u32, &str, &CompletedPart)> = Vec::with_capacity(parts.len());
        let mut last = 0;
        for part in parts {
            let (Some(number), Some(etag)) = (part.part_number, part.e_tag.as_deref()) else {
                return Err(Error::malformed_xml());
            };
            if !PART_NUMBERS.contains(&number) {
                let message = "Part number must be an integer between 1 and 10000, inclusive";
                return Err(Error::invalid_argument("partNumber", &number.to_string(), message));
            }
            if number == last && dialect.repeats_parts() {
                listed.pop();
            } else if number <= last {
                let message = "The list of parts was not in ascending order. Parts must be ordered by part number.";
                return Err(Error::client("InvalidPartOrder", 400, message).with("UploadId", &input.upload_id));
            }
            last = number;
            listed.push((number.unsigned_abs(), super::unquoted(etag), part));
        }
        Ok(Self { parts: listed, dialect })
    }
}

/// Joins the parts and puts the object in its place; whether the sweeper has to be told.
async fn join(
    s3: &S3,
    tx: &Transaction,
    bucket: &Bucket,
    request: &CompleteMultipartUploadRequest,
    listed: &Listed<'_>,
    id: &UploadId,
    upload: Upload,
) -> Result<(Version, bool)> {
    let declared = super::checksum_of(&upload);
    check_type(declared, request.checksum_type.as_deref())?;
    let mut joined = Joined::new(declared);
    let (left_out, mismatch) = take_parts(tx, request, listed, id, declared, &mut joined).await?;
    if joined.size > MAX_OBJECT_BYTES {
        return Err(Error::entity_too_large(joined.size, MAX_OBJECT_BYTES));
    }
    if let Some(expected) = request.mpu_object_size
        && u64::try_from(expected) != Ok(joined.size)
    {
        return Err(Error::invalid_request(format!(
            "The provided 'x-amz-mp-object-size' header value {expected} does not match what was computed: {}",
            joined.size
        )));
    }
    let checksum = joined.take_checksum();
    check_whole(request, checksum.as_ref())?;
    // What is said of the whole is judged before what is said of its parts.
    if let Some(mismatch) = mismatch {
        return Err(mismatch);
    }

    let head: Option<Version> = tx.record(&keys::object(&bucket.id, &request.key)).await?;
    conditions(request).check(&request.key, head.as_ref())?;
    let now = s3.now();
    let object = Object {
        size: joined.size,
        etag: joined.etag(),
        content: joined.store(tx, ContentId::new(now))?,
        encryption: upload.encryption,
        checksum,
        parts: Some(joined.count()),
        upload: Some(*id),
        storage_class: upload.storage_class,
        restored: None,
        headers: upload.headers,
        metadata: upload.metadata,
        tags: upload.tags,
        acl: upload.acl,
        retention: upload.retention,
        legal_hold: upload.legal_hold,
    };
    let changed = versions::put(tx, bucket, &request.key, head, Some(object), &upload.owner, now).await?;
    tx.delete(&keys::upload(&bucket.id, &request.key, id))?;
    if left_out {
        super::abort::doom_parts(s3, tx, id)?;
    }
    Ok((changed.version, changed.doomed || left_out))
}

/// Takes the listed parts out of the upload, checked; whether others are left in it, and the first whose checksum is
/// not what the request says.
async fn take_parts(
    tx: &Transaction,
    request: &CompleteMultipartUploadRequest,
    listed: &Listed<'_>,
    id: &UploadId,
    declared: Option<(ChecksumAlgorithm, ChecksumType)>,
    joined: &mut Joined,
) -> Result<(bool, Option<Error>)> {
    let (mut left_out, mut mismatch) = (false, None);
    let mut wanted = listed.parts.iter().peekable();
    let mut range = keys::below(keys::parts(id));
    loop {
        let page = tx.scan(range.clone(), Direction::Forward, PARTS_A_PAGE).await?;
        for (place, value) in &page.entries {
            let number = keys::part_number(place).map_err(|error| Error::Damaged(error.to_string()))?;
            let Some((_, etag, given)) = wanted.next_if(|(wanted, ..)| *wanted == number) else {
                left_out = true;
                continue;
            };
            let part: Part = records::decode(value)?;
            if part.etag != *etag {
                return Err(invalid_part(number, etag, &request.upload_id));
            }
            if part.size < MIN_PART_BYTES && wanted.peek().is_some() {
                let message = "Your proposed upload is smaller than the minimum allowed size";
                return Err(Error::client("EntityTooSmall", 400, message)
                    .with("ProposedSize", part.size.to_string())
                    .with("MinSizeAllowed", MIN_PART_BYTES.to_string())
                    .with("PartNumber", number.to_string())
                    .with("ETag", *etag));
            }
            if let Err(error) = check_part(number, given, &part, declared, listed.dialect) {
                mismatch.get_or_insert(error);
            }
            joined.push(number, part)?;
            tx.delete(place)?;
        }
        match page.entries.last() {
            Some((last, _)) if page.more => range = range.after(last),
            _ => break,
        }
    }
    match wanted.next() {
        Some((number, etag, _)) => Err(invalid_part(*number, etag, &request.upload_id)),
        None => Ok((left_out, mismatch)),
    }
}

fn invalid_part(number: u32, etag: &str, upload: &str) -> Error {
    let message = "One or more of the specified parts could not be found.  The part may not have been uploaded, or the \
                   specified entity tag may not match the part's entity tag.";
    Error::client("InvalidPart", 400, message)
        .with("UploadId", upload)
        .with("PartNumber", number.to_string())
        .with("ETag", etag)
}

/// Whether the request says of a part what was received.
fn check_part(
    number: u32,
    given: &CompletedPart,
    part: &Part,
    declared: Option<(ChecksumAlgorithm, ChecksumType)>,
    dialect: Dialect,
) -> Result<()> {
    let Some((algorithm, value)) = given.one()? else {
        return match declared {
            Some((algorithm, ChecksumType::Composite)) if dialect.wants_checksums_again() => {
                Err(Error::invalid_request(format!(
                    "The upload was created using a {} checksum. The complete request must include the checksum for each \
                 part. It was missing for part {number} in the request.",
                    algorithm.lower_name()
                )))
            }
            _ => Ok(()),
        };
    };
    let kept = part.checksum.as_ref();
    let same = kept.is_some_and(|kept| kept.algorithm == algorithm.name());
    // Of an upload that was begun without one, only the platform's own checksum is kept; the entity tag vouches for the rest.
    if declared.is_none() && !same {
        return Ok(());
    }
    if same && kept.is_some_and(|kept| kept.value == value) {
        return Ok(());
    }
    let message = format!(
        "The {} you specified for part {number} did not match what we received.",
        algorithm.lower_name()
    );
    Err(Error::client("BadDigest", 400, message))
}

/// Whether the request wants the kind of checksum that the upload was begun with.
fn check_type(declared: Option<(ChecksumAlgorithm, ChecksumType)>, given: Option<&str>) -> Result<()> {
    let expected = declared.map(|(_, kind)| kind.name());
    if let Some(given) = given
        && expected != Some(given)
    {
        return Err(Error::invalid_request(format!(
            "The upload was created using the {} checksum mode. The complete request must use the same checksum mode.",
            expected.unwrap_or("null")
        )));
    }
    Ok(())
}

/// Whether the whole is what the request says.
fn check_whole(request: &CompleteMultipartUploadRequest, checksum: Option<&Checksum>) -> Result<()> {
    let Some((algorithm, value)) = request.one()? else {
        return Ok(());
    };
    let Some(checksum) = checksum.filter(|checksum| checksum.algorithm == algorithm.name()) else {
        return Err(mismatch(algorithm));
    };
    // A composite one may come without the number of parts.
    let without_count = checksum.value.split_once('-').map(|(value, _)| value);
    if checksum.value != value && without_count != Some(value) {
        return Err(mismatch(algorithm));
    }
    Ok(())
}

/// The object that the upload became, when the same request was answered before and nothing took its place since.
async fn completed_before(
    tx: &Transaction,
    bucket: &Bucket,
    request: &CompleteMultipartUploadRequest,
    id: &UploadId,
    listed: &Listed<'_>,
) -> Result<Version> {
    let missing = || Error::no_such_upload(&request.upload_id);
    let current = versions::current(tx, bucket, &request.key).await?.ok_or_else(missing)?;
    let object = current.object.as_ref().ok_or_else(missing)?;
    let md5s: Option<Vec<_>> = listed.parts.iter().map(|(_, etag, _)| md5_of(etag)).collect();
    if object.upload != Some(*id) || md5s.is_none_or(|md5s| multipart_etag(&md5s) != object.etag) {
        return Err(missing());
    }
    Ok(current)
}

fn conditions(request: &CompleteMultipartUploadRequest) -> WriteConditions<'_> {
    WriteConditions {
        if_match: request.if_match.as_deref(),
        if_none_match: request.if_none_match.as_deref(),
    }
}

fn output(
    context: &RequestContext,
    input: &CompleteMultipartUploadRequest,
    bucket: &Bucket,
    version: &Version,
) -> CompleteMultipartUploadOutput {
    let mut output = CompleteMultipartUploadOutput {
        location: Some(names::address(context, &input.bucket, &input.key)),
        bucket: Some(input.bucket.clone()),
        key: Some(input.key.clone()),
        // Of a version that replaced `null`, AWS names nothing.
        version_id: (bucket.versioning == Versioning::Enabled).then(|| version.public_id()),
        ..Default::default()
    };
    if let Some(object) = &version.object {
        output.e_tag = Some(super::quoted(&object.etag));
        let shown = encryption::shown(&object.encryption);
        output.server_side_encryption = shown.sse;
        output.ssekms_key_id = shown.kms_key_id;
        output.bucket_key_enabled = shown.bucket_key;
        if let Some(checksum) = &object.checksum {
            output.show_recorded(checksum);
            let kind = if checksum.composite {
                ChecksumType::Composite
            } else {
                ChecksumType::FullObject
            };
            output.checksum_type = Some(kind.name().into());
        }
    }
    output
}
