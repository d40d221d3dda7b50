use super::cursor::Cursor;
use super::{Encoding, Groups, page_size};
use crate::records::{self, Bucket, Version, View};
use crate::shapes::{
    self, CommonPrefix, ListObjectsOutput, ListObjectsRequest, ListObjectsV2Output, ListObjectsV2Request, Owner,
};
use crate::{Error, Result, S3, keys, objects, token};
use crate::{acl, archive};
use bytes::Bytes;
use danbi_core::RequestContext;
use std::sync::Arc;

/// A page of a bucket's current objects.
struct Listing {
    objects: Vec<(String, Version)>,
    prefixes: Vec<String>,
    /// Where the next page goes on: the last key or common prefix of this one.
    next: Option<String>,
}

/// Lists up to `limit` keys and common prefixes behind `marker`.
async fn list(
    view: &impl View,
    bucket: &Bucket,
    groups: Groups<'_>,
    marker: Option<&str>,
    limit: usize,
) -> Result<Listing> {
    let mut listing = Listing {
        objects: Vec::new(),
        prefixes: Vec::new(),
        next: None,
    };
    if limit == 0 {
        return Ok(listing);
    }
    let page = if groups.delimiter.is_some() { 0 } else { limit + 1 };
    let mut cursor = Cursor::new(view, keys::below(keys::objects(&bucket.id, groups.prefix)), page);
    if let Some(marker) = marker.filter(|marker| !marker.is_empty()) {
        if groups.is_group(marker) {
            cursor.begin_at(&behind_group(bucket, marker));
        } else {
            let mut behind = keys::object(&bucket.id, marker).to_vec();
            behind.push(0);
            cursor.begin_at(&Bytes::from(behind));
        }
    }
    let mut last = String::new();
    while let Some((place, _)) = cursor.peek().await? {
        if listing.objects.len() + listing.prefixes.len() == limit {
            listing.next = Some(last);
            break;
        }
        let key = keys::object_key(place).map_err(|error| Error::Damaged(error.to_string()))?;
        if let Some(group) = groups.of(&key) {
            cursor.seek(&behind_group(bucket, group));
            last = group.to_owned();
            listing.prefixes.push(last.clone());
        } else if let Some((_, value)) = cursor.take() {
            last.clone_from(&key);
            listing.objects.push((key, records::decode(&value)?));
        }
    }
    Ok(listing)
}

/// The first place behind all keys that begin with `group`.
fn behind_group(bucket: &Bucket, group: &str) -> Bytes {
    let range = keys::below(keys::objects(&bucket.id, group));
    // A key of ours begins with a byte that is not 255, so its range has an end.
    range.end().cloned().unwrap_or_default()
}

/// ListObjects.
pub(crate) async fn list_v1(
    s3: Arc<S3>,
    context: RequestContext,
    input: ListObjectsRequest,
) -> Result<ListObjectsOutput> {
    let limit = page_size(input.max_keys, "maxKeys")?;
    let encoding = Encoding::parse(input.encoding_type.as_deref())?;
    let restores = archive::asks_status(input.optional_object_attributes.as_deref())?;
    let groups = Groups::new(input.prefix.as_deref(), input.delimiter.as_deref());
    let view = s3.snapshot().await?;
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
    let listing = list(&view, &bucket, groups, input.marker.as_deref(), limit).await?;
    let write = |text: &str| encoding.write(text);
    Ok(ListObjectsOutput {
        is_truncated: Some(listing.next.is_some()),
        marker: Some(write(input.marker.as_deref().unwrap_or_default())),
        next_marker: listing
            .next
            .filter(|_| groups.delimiter.is_some())
            .map(|next| write(&next)),
        contents: contents(&s3, &bucket, listing.objects, encoding, Shown { owner: true, restores }),
        name: Some(input.bucket),
        // The first list writes it as it came, which is how SDKs read it.
        prefix: Some(groups.prefix.to_owned()),
        delimiter: groups.delimiter.map(write),
        max_keys: Some(limit as i32),
        common_prefixes: common_prefixes(listing.prefixes, encoding),
        encoding_type: encoding.name(),
        ..ListObjectsOutput::default()
    })
}

/// ListObjectsV2.
pub(crate) async fn list_v2(
    s3: Arc<S3>,
    context: RequestContext,
    input: ListObjectsV2Request,
) -> Result<ListObjectsV2Output> {
    let limit = page_size(input.max_keys, "max-keys")?;
    let encoding = Encoding::parse(input.encoding_type.as_deref())?;
    let restores = archive::asks_status(input.optional_object_attributes.as_deref())?;
    let groups = Groups::new(input.prefix.as_deref(), input.delimiter.as_deref());
    let marker = match &input.continuation_token {
        Some(text) if !text.is_empty() => Some(token::open(text)?),
        _ => input.start_after.clone(),
    };
    let view = s3.snapshot().await?;
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
    let listing = list(&view, &bucket, groups, marker.as_deref(), limit).await?;
    let write = |text: &str| encoding.write(text);
    Ok(ListObjectsV2Output {
        is_truncated: Some(listing.next.is_some()),
        key_count: Some((listing.objects.len() + listing.prefixes.len()) as i32),
        contents: contents(
            &s3,
            &bucket,
            listing.objects,
            encoding,
            Shown {
                owner: input.fetch_owner == Some(true),
                restores,
            },
        ),
        name: Some(input.bucket),
        prefix: Some(write(groups.prefix)),
        delimiter: groups.delimiter.map(write),
        max_keys: Some(limit as i32),
        common_prefixes: common_prefixes(listing.prefixes, encoding),
        encoding_type: encoding.name(),
        continuation_token: input.continuation_token,
        next_continuation_token: listing.next.as_deref().map(token::seal),
        start_after: input.start_after.as_deref().map(write),
        ..ListObjectsV2Output::default()
    })
}

/// What is shown of objects besides the usual.
#[derive(Debug, Clone, Copy)]
struct Shown {
    owner: bool,
    /// Whether there is a restored copy.
    restores: bool,
}

fn contents(
    s3: &S3,
    bucket: &records::Bucket,
    listed: Vec<(String, Version)>,
    encoding: Encoding,
    also: Shown,
) -> Option<Vec<shapes::Object>> {
    let now = s3.now();
    let shown = listed.into_iter().filter_map(|(key, version)| {
        let object = version.object?;
        Some(shapes::Object {
            restore_status: archive::status(&object, now).filter(|_| also.restores),
            key: Some(encoding.write(&key)),
            last_modified: Some(version.modified),
            e_tag: Some(objects::quoted(&object.etag)),
            checksum_type: object.checksum.as_ref().map(checksum_type),
            checksum_algorithm: object.checksum.map(|checksum| vec![checksum.algorithm]),
            size: Some(object.size as i64),
            storage_class: Some(object.storage_class.unwrap_or_else(|| "STANDARD".into())),
            owner: also.owner.then(|| owner_of(s3, bucket, &version.owner)),
        })
    });
    Some(shown.collect::<Vec<_>>()).filter(|shown| !shown.is_empty())
}

pub(super) fn checksum_type(checksum: &records::Checksum) -> String {
    if checksum.composite { "COMPOSITE" } else { "FULL_OBJECT" }.into()
}

pub(super) fn owner_of(s3: &S3, bucket: &records::Bucket, writer: &str) -> Owner {
    let owner = if bucket.has_lists() { writer } else { &bucket.owner };
    acl::owner_shape(owner, &*s3.accounts)
}

pub(super) fn common_prefixes(prefixes: Vec<String>, encoding: Encoding) -> Option<Vec<CommonPrefix>> {
    let shown = prefixes.into_iter().map(|prefix| CommonPrefix {
        prefix: Some(encoding.write(&prefix)),
    });
    Some(shown.collect::<Vec<_>>()).filter(|shown| !shown.is_empty())
}
