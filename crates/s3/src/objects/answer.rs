//! What GetObject and HeadObject say of an object.

use super::headers::{self, DEFAULT_CONTENT_TYPE};
use crate::archive;
use crate::checksum::ChecksumFields;
use crate::encryption;
use crate::object_lock;
use crate::records::{Object, Version, Versioning};
use crate::shapes::{GetObjectOutput, HeadObjectOutput};
use danbi_core::Timestamp;

/// An entity tag as headers write it.
pub(crate) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// Everything but length, range and checksums.
pub(super) fn describe(versioning: Versioning, version: &Version, object: &Object, now: Timestamp) -> HeadObjectOutput {
    let shown = encryption::shown(&object.encryption);
    let kept = &object.headers;
    HeadObjectOutput {
        accept_ranges: Some("bytes".into()),
        last_modified: Some(version.modified),
        e_tag: Some(quoted(&object.etag)),
        version_id: super::put::shown_version(versioning, version),
        cache_control: kept.cache_control.clone(),
        content_disposition: kept.content_disposition.clone(),
        content_encoding: kept.content_encoding.clone(),
        content_language: kept.content_language.clone(),
        content_type: Some(kept.content_type.clone().unwrap_or_else(|| DEFAULT_CONTENT_TYPE.into())),
        expires: kept.expires,
        website_redirect_location: kept.website_redirect.clone(),
        server_side_encryption: shown.sse,
        ssekms_key_id: shown.kms_key_id,
        bucket_key_enabled: shown.bucket_key,
        metadata: headers::shown_metadata(&object.metadata),
        sse_customer_algorithm: shown.customer_algorithm,
        sse_customer_key_md5: shown.customer_key_md5,
        storage_class: object.storage_class.clone(),
        restore: archive::header(object, now),
        tag_count: (!object.tags.is_empty()).then_some(object.tags.len() as i32),
        object_lock_mode: object
            .retention
            .as_ref()
            .map(|retention| object_lock::mode(retention).into()),
        object_lock_retain_until_date: object.retention.as_ref().map(|retention| retention.until),
        object_lock_legal_hold_status: object.legal_hold.map(|hold| if hold { "ON" } else { "OFF" }.into()),
        ..HeadObjectOutput::default()
    }
}

/// Adds the object's checksum, for those who asked for it.
pub(super) fn show_checksum(output: &mut HeadObjectOutput, object: &Object) {
    if let Some(checksum) = &object.checksum {
        output.show_recorded(checksum);
        let kind = if checksum.composite { "COMPOSITE" } else { "FULL_OBJECT" };
        output.checksum_type = Some(kind.into());
    }
}

/// The same as the answer of a GetObject, without its body.
pub(super) fn with_body(head: HeadObjectOutput) -> GetObjectOutput {
    GetObjectOutput {
        accept_ranges: head.accept_ranges,
        last_modified: head.last_modified,
        content_length: head.content_length,
        e_tag: head.e_tag,
        checksum_crc32: head.checksum_crc32,
        checksum_crc32_c: head.checksum_crc32_c,
        checksum_crc64_nvme: head.checksum_crc64_nvme,
        checksum_sha1: head.checksum_sha1,
        checksum_sha256: head.checksum_sha256,
        checksum_sha512: head.checksum_sha512,
        checksum_md5: head.checksum_md5,
        checksum_xxhash64: head.checksum_xxhash64,
        checksum_xxhash3: head.checksum_xxhash3,
        checksum_xxhash128: head.checksum_xxhash128,
        checksum_type: head.checksum_type,
        version_id: head.version_id,
        cache_control: head.cache_control,
        content_disposition: head.content_disposition,
        content_encoding: head.content_encoding,
        content_language: head.content_language,
        content_range: head.content_range,
        content_type: head.content_type,
        expires: head.expires,
        website_redirect_location: head.website_redirect_location,
        server_side_encryption: head.server_side_encryption,
        ssekms_key_id: head.ssekms_key_id,
        bucket_key_enabled: head.bucket_key_enabled,
        metadata: head.metadata,
        sse_customer_algorithm: head.sse_customer_algorithm,
        sse_customer_key_md5: head.sse_customer_key_md5,
        storage_class: head.storage_class,
        restore: head.restore,
        parts_count: head.parts_count,
        tag_count: head.tag_count,
        object_lock_mode: head.object_lock_mode,
        object_lock_retain_until_date: head.object_lock_retain_until_date,
        object_lock_legal_hold_status: head.object_lock_legal_hold_status,
        ..GetObjectOutput::default()
    }
}
