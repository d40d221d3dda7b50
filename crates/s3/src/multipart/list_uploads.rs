use std::sync::Arc;

use danbi_core::RequestContext;
use danbi_store::{Direction, KeyRange};

use super::list_parts::limit;
use crate::ids::UploadId;
use crate::listing::Encoding;
use crate::records::{self, Bucket, Upload};
use crate::shapes::{CommonPrefix, ListMultipartUploadsOutput, ListMultipartUploadsRequest, MultipartUpload};
use crate::{Error, Result, S3, keys};

/// Most uploads and common prefixes of an answer.
const MAX_UPLOADS: i32 = 1000;
/// Entries read at a time where prefixes are taken together: most of a page is likely to be skipped.
const SKIPPING_PAGE: usize = 16;

/// The unfinished uploads of a bucket, by key and then by when they began.
pub(crate) async fn list(
    s3: Arc<S3>,
    context: RequestContext,
    input: ListMultipartUploadsRequest,
) -> Result<ListMultipartUploadsOutput> {
    let view = s3.snapshot().await?;
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
    let most = limit("max-uploads", input.max_uploads, MAX_UPLOADS)?;
    let encoding = Encoding::parse(input.encoding_type.as_deref())?;
    let encode = |text: &str| encoding.write(text);
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let delimiter = input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    let key_marker = input.key_marker.as_deref().unwrap_or_default();
    let id_marker = input.upload_id_marker.as_deref().unwrap_or_default();

    let all = keys::below(keys::uploads(&bucket.id, prefix));
    let mut range = all.clone();
    if !key_marker.is_empty() {
        let of_key = keys::below(keys::uploads_of(&bucket.id, key_marker));
        range = if id_marker.is_empty() {
            behind(range, &of_key)
        } else {
            let id: UploadId = id_marker
                .parse()
                .map_err(|_| Error::invalid_argument("upload-id-marker", id_marker, "Invalid uploadId marker"))?;
            range.after(&keys::upload(&bucket.id, key_marker, &id))
        };
        // A common prefix that was the end of the page before does not come again.
        if let Some(common) = common_prefix(key_marker, prefix, delimiter) {
            range = behind(range, &keys::below(keys::uploads(&bucket.id, common)));
        }
    }

    let (mut uploads, mut prefixes) = (Vec::new(), Vec::new());
    let (mut more, mut last) = (false, (String::new(), String::new()));
    'pages: while !range.is_empty() {
        let left = most - uploads.len() - prefixes.len();
        // One more than is wanted tells whether there is more.
        let wanted = if delimiter.is_some() { SKIPPING_PAGE } else { left + 1 };
        let page = view.scan(range.clone(), Direction::Forward, wanted).await?;
        for (place, value) in &page.entries {
            let (key, id) = keys::upload_parts(place).map_err(|error| Error::Damaged(error.to_string()))?;
            if uploads.len() + prefixes.len() == most {
                more = most > 0;
                break 'pages;
            }
            if let Some(common) = common_prefix(&key, prefix, delimiter) {
                last = (common.to_owned(), String::new());
                prefixes.push(CommonPrefix {
                    prefix: Some(encode(common)),
                });
                range = behind(range, &keys::below(keys::uploads(&bucket.id, common)));
                continue 'pages;
            }
            let upload: Upload = records::decode(value)?;
            last = (key.clone(), id.to_string());
            uploads.push(shown(&s3, &bucket, &upload, encode(&key), &id));
        }
        match page.entries.last() {
            Some((last, _)) if page.more => range = range.after(last),
            _ => break,
        }
    }
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        key_marker: Some(encode(key_marker)),
        upload_id_marker: Some(id_marker.to_owned()),
        next_key_marker: Some(encode(&last.0)),
        next_upload_id_marker: Some(last.1),
        prefix: input.prefix.as_deref().map(&encode),
        delimiter: delimiter.map(encode),
        max_uploads: i32::try_from(most).ok(),
        is_truncated: Some(more),
        uploads: if uploads.is_empty() { None } else { Some(uploads) },
        common_prefixes: if prefixes.is_empty() { None } else { Some(prefixes) },
        encoding_type: encoding.name(),
        ..Default::default()
    })
}

fn shown(s3: &S3, bucket: &Bucket, upload: &Upload, key: String, id: &UploadId) -> MultipartUpload {
    let checksum = super::checksum_of(upload);
    MultipartUpload {
        upload_id: Some(id.to_string()),
        key: Some(key),
        initiated: Some(upload.initiated),
        storage_class: Some(upload.storage_class.clone().unwrap_or_else(|| "STANDARD".into())),
        owner: Some(super::owner(s3, bucket, upload)),
        initiator: Some(super::initiator(s3, upload)),
        checksum_algorithm: checksum.map(|(algorithm, _)| algorithm.name().into()),
        checksum_type: checksum.map(|(_, kind)| kind.name().into()),
    }
}

/// What of the key up to the first delimiter behind the prefix.
fn common_prefix<'k>(key: &'k str, prefix: &str, delimiter: Option<&str>) -> Option<&'k str> {
    let delimiter = delimiter?;
    let rest = key.strip_prefix(prefix)?;
    let at = rest.find(delimiter)?;
    Some(&key[..prefix.len() + at + delimiter.len()])
}

/// What of `range` lies behind the whole of `other`.
fn behind(range: KeyRange, other: &KeyRange) -> KeyRange {
    match (other.end(), range.end()) {
        (Some(start), Some(end)) if start > range.start() => KeyRange::new(start.clone(), end.clone()),
        (Some(start), None) if start > range.start() => KeyRange::starting_at(start.clone()),
        _ => range,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_prefix_ends_with_the_delimiter() {
        assert_eq!(common_prefix("a/b/c", "", Some("/")), Some("a/"));
        assert_eq!(common_prefix("a/b/c", "a/", Some("/")), Some("a/b/"));
        assert_eq!(common_prefix("a/b", "a/", Some("/")), None);
        assert_eq!(common_prefix("a/b", "", None), None);
        assert_eq!(common_prefix("x::y", "", Some("::")), Some("x::"));
    }
}
