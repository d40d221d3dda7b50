//! Multipart uploads: parts come in any order and any number of times, and completing turns a list of them into an
//! object without touching their bytes.
//!
//! Each part is a blob of its own, sealed under the upload's data key. Completing is one transaction: it writes the list
//! of the parts' blobs as the object's content, in pages, and removes the upload; whoever dies in the middle leaves the
//! upload or the object, never both and never neither. Parts that the list leaves out, those of an aborted upload, and
//! those that were uploaded again are given up.

pub(crate) mod abort;
pub(crate) mod complete;
pub(crate) mod create;
mod joined;
pub(crate) mod list_parts;
pub(crate) mod list_uploads;
pub(crate) mod upload_part;
pub(crate) mod upload_part_copy;

use std::ops::RangeInclusive;

use crate::acl;
use crate::checksum::{ChecksumAlgorithm, ChecksumType};
use crate::crypto::{CryptoError, SecretKey};
use crate::encryption::{self, CustomerHeaders};
use crate::ids::UploadId;
use crate::records::{Bucket, EncryptionKind, Upload, View};
use crate::shapes::{Initiator, Owner};
use crate::{Error, Result, S3, keys, names};
use danbi_core::RequestContext;

/// The numbers that parts may have.
pub(crate) const PART_NUMBERS: RangeInclusive<i32> = 1..=10_000;
/// The smallest part, but for the last one: 5 MiB.
pub(crate) const MIN_PART_BYTES: u64 = 5 << 20;
/// The largest part: 5 GiB.
pub(crate) const MAX_PART_BYTES: u64 = 5 << 30;
/// The largest object: 5 TiB.
pub(crate) const MAX_OBJECT_BYTES: u64 = 5 << 40;

/// An unfinished upload of this key.
///
/// # Errors
/// `NoSuchUpload`.
async fn find(view: &impl View, bucket: &Bucket, key: &str, id: &str) -> Result<(UploadId, Upload)> {
    let parsed: UploadId = id.parse().map_err(|_| Error::no_such_upload(id))?;
    names::check_key(key)?;
    let upload = view.record(&keys::upload(&bucket.id, key, &parsed)).await?;
    Ok((parsed, upload.ok_or_else(|| Error::no_such_upload(id))?))
}

/// # Errors
/// `InvalidArgument`.
fn check_part_number(number: i32) -> Result<u32> {
    match u32::try_from(number) {
        Ok(valid) if PART_NUMBERS.contains(&number) => Ok(valid),
        _ => Err(Error::invalid_argument(
            "partNumber",
            &number.to_string(),
            "Part number must be an integer between 1 and 10000, inclusive",
        )),
    }
}

/// The data key of an upload, by the headers of a request for one of its parts.
///
/// # Errors
/// `InvalidRequest` when the headers are not those that the upload was begun with.
async fn part_key(
    s3: &S3,
    context: &RequestContext,
    upload: &Upload,
    customer: CustomerHeaders<'_>,
) -> Result<SecretKey> {
    let given = customer.parse()?;
    match (&upload.encryption.kind, given) {
        (EncryptionKind::Customer { .. }, Some(customer)) => customer.open_key(&upload.encryption.key).map_err(|_| {
            Error::invalid_request("The provided encryption parameters did not match the ones used originally.")
        }),
        (EncryptionKind::S3 | EncryptionKind::Unasked, None) => Ok(s3
            .master_keys
            .open_key(&upload.encryption.key)
            .map_err(CryptoError::from)?),
        (EncryptionKind::Kms { context: bound, .. }, None) => {
            encryption::open_by_kms(s3, context, &upload.encryption.key, bound.as_deref()).await
        }
        _ => Err(Error::invalid_request(
            "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate \
             encryption parameters.",
        )),
    }
}

/// The checksum that an upload was begun with.
fn checksum_of(upload: &Upload) -> Option<(ChecksumAlgorithm, ChecksumType)> {
    let (name, composite) = upload.checksum.as_ref()?;
    let kind = if *composite {
        ChecksumType::Composite
    } else {
        ChecksumType::FullObject
    };
    Some((ChecksumAlgorithm::from_name(name)?, kind))
}

fn owner(s3: &S3, bucket: &Bucket, upload: &Upload) -> Owner {
    let owner = if bucket.has_lists() {
        &upload.owner
    } else {
        &bucket.owner
    };
    acl::owner_shape(owner, &*s3.accounts)
}

fn initiator(s3: &S3, upload: &Upload) -> Initiator {
    let shown = acl::owner_shape(&upload.owner, &*s3.accounts);
    match &upload.initiator {
        Some(arn) => Initiator {
            id: Some(arn.clone()),
            display_name: None,
        },
        None => Initiator {
            id: shown.id,
            display_name: shown.display_name,
        },
    }
}

/// An entity tag as headers and documents write it.
fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// An entity tag as a client wrote it, with or without quotes.
fn unquoted(etag: &str) -> &str {
    etag.trim().trim_matches('"')
}
