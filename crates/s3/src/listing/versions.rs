use super::cursor::Cursor;
use super::objects::{checksum_type, common_prefixes, owner_of};
use super::{Encoding, Groups, page_size};
use crate::records::{self, Bucket, Version, View};
use crate::s3::WhichVersion;
use crate::shapes::{DeleteMarkerEntry, ListObjectVersionsOutput, ListObjectVersionsRequest, ObjectVersion};
use crate::{Error, Result, S3, archive, keys, objects};
use bytes::Bytes;
use danbi_core::RequestContext;
use std::sync::Arc;

/// Entries read at first.
const PAGE: usize = 256;

/// Where a page of versions begins: behind this version of this key, or behind all of them.
struct Marker<'r> {
    key: &'r str,
    version: Option<WhichVersion>,
}

struct Listing {
    versions: Vec<(String, Version, bool)>,
    prefixes: Vec<String>,
    /// The last key or common prefix, and the last version's id.
    next: Option<(String, Option<String>)>,
}

/// ListObjectVersions.
pub(crate) async fn list_versions(
    s3: Arc<S3>,
    context: RequestContext,
    input: ListObjectVersionsRequest,
) -> Result<ListObjectVersionsOutput> {
    let limit = page_size(input.max_keys, "max-keys")?;
    let encoding = Encoding::parse(input.encoding_type.as_deref())?;
    let restores = archive::asks_status(input.optional_object_attributes.as_deref())?;
    let groups = Groups::new(input.prefix.as_deref(), input.delimiter.as_deref());
    let marker = marker(input.key_marker.as_deref(), input.version_id_marker.as_deref())?;
    let view = s3.snapshot().await?;
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = s3.bucket(&view, &context, &input.bucket, owner).await?;
    let listing = list(&view, &bucket, groups, marker, limit).await?;
    let write = |text: &str| encoding.write(text);
    let mut output = ListObjectVersionsOutput {
        is_truncated: Some(listing.next.is_some()),
        key_marker: Some(write(input.key_marker.as_deref().unwrap_or_default())),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        name: Some(input.bucket),
        prefix: Some(write(groups.prefix)),
        delimiter: groups.delimiter.map(write),
        max_keys: Some(limit as i32),
        common_prefixes: common_prefixes(listing.prefixes, encoding),
        encoding_type: encoding.name(),
        ..ListObjectVersionsOutput::default()
    };
    if let Some((key, version)) = listing.next {
        output.next_key_marker = Some(write(&key));
        output.next_version_id_marker = version;
    }
    let now = s3.now();
    let (mut versions, mut markers) = (Vec::new(), Vec::new());
    for (key, version, latest) in listing.versions {
        let (key, id) = (Some(encoding.write(&key)), Some(version.public_id()));
        let owner = Some(owner_of(&s3, &bucket, &version.owner));
        match version.object {
            None => markers.push(DeleteMarkerEntry {
                owner,
                key,
                version_id: id,
                is_latest: Some(latest),
                last_modified: Some(version.modified),
            }),
            Some(object) => versions.push(ObjectVersion {
                restore_status: archive::status(&object, now).filter(|_| restores),
                e_tag: Some(objects::quoted(&object.etag)),
                checksum_type: object.checksum.as_ref().map(checksum_type),
                checksum_algorithm: object.checksum.map(|checksum| vec![checksum.algorithm]),
                size: Some(object.size as i64),
                storage_class: Some(object.storage_class.unwrap_or_else(|| "STANDARD".into())),
                key,
                version_id: id,
                is_latest: Some(latest),
                last_modified: Some(version.modified),
                owner,
            }),
        }
    }
    output.versions = Some(versions).filter(|versions| !versions.is_empty());
    output.delete_markers = Some(markers).filter(|markers| !markers.is_empty());
    Ok(output)
}

fn marker<'r>(key: Option<&'r str>, version: Option<&str>) -> Result<Option<Marker<'r>>> {
    let key = key.filter(|key| !key.is_empty());
    match (key, version.filter(|version| !version.is_empty())) {
        (None, None) => Ok(None),
        (None, Some(version)) => {
            let message = "A version-id marker cannot be specified without a key marker.";
            Err(Error::invalid_argument("version-id-marker", version, message))
        }
        (Some(key), None) => Ok(Some(Marker { key, version: None })),
        (Some(key), Some(text)) => {
            let version = S3::version_id(text)
                .map_err(|_| Error::invalid_argument("version-id-marker", text, "Invalid version id specified"))?;
            Ok(Some(Marker {
                key,
                version: Some(version),
            }))
        }
    }
}

/// Walks heads and history side by side: of each key the head first, then its history.
async fn list(
    view: &impl View,
    bucket: &Bucket,
    groups: Groups<'_>,
    marker: Option<Marker<'_>>,
    limit: usize,
) -> Result<Listing> {
    let mut listing = Listing {
        versions: Vec::new(),
        prefixes: Vec::new(),
        next: None,
    };
    if limit == 0 {
        return Ok(listing);
    }
    let mut heads = Cursor::new(view, keys::below(keys::objects(&bucket.id, groups.prefix)), PAGE);
    let mut history = Cursor::new(view, keys::below(keys::histories(&bucket.id, groups.prefix)), PAGE);
    // The key whose newest version is known, so that what follows of it is not the latest.
    let mut begun: Option<String> = None;
    if let Some(marker) = marker {
        if groups.is_group(marker.key) {
            heads.begin_at(&behind(keys::objects(&bucket.id, marker.key)));
            history.begin_at(&behind(keys::histories(&bucket.id, marker.key)));
        } else {
            heads.begin_at(&successor(&keys::object(&bucket.id, marker.key)));
            history.begin_at(&match sequence(view, bucket, &marker).await? {
                Some(sequence) => successor(&keys::version(&bucket.id, marker.key, sequence)),
                None => behind(keys::history(&bucket.id, marker.key)),
            });
            begun = Some(marker.key.to_owned());
        }
    }
    let mut last = (String::new(), None);
    loop {
        let head = match heads.peek().await? {
            Some((place, _)) => Some(key_of(place)?),
            None => None,
        };
        let old = match history.peek().await? {
            Some((place, _)) => Some(key_of(place)?),
            None => None,
        };
        let (key, is_head) = match (head, old) {
            (None, None) => break,
            (Some(head), None) => (head, true),
            (None, Some(old)) => (old, false),
            (Some(head), Some(old)) if head <= old => (head, true),
            (_, Some(old)) => (old, false),
        };
        if listing.versions.len() + listing.prefixes.len() == limit {
            listing.next = Some(last);
            break;
        }
        if let Some(group) = groups.of(&key) {
            heads.seek(&behind(keys::objects(&bucket.id, group)));
            history.seek(&behind(keys::histories(&bucket.id, group)));
            last = (group.to_owned(), None);
            listing.prefixes.push(group.to_owned());
            continue;
        }
        let taken = if is_head { heads.take() } else { history.take() };
        let Some((_, value)) = taken else { break };
        let version: Version = records::decode(&value)?;
        let latest = begun.as_deref() != Some(key.as_str());
        last = (key.clone(), Some(version.public_id()));
        begun = Some(key.clone());
        listing.versions.push((key, version, latest));
    }
    Ok(listing)
}

/// Where in the history of its key a marker lies; `None` when all of the key is to be passed over.
async fn sequence(view: &impl View, bucket: &Bucket, marker: &Marker<'_>) -> Result<Option<u64>> {
    match marker.version {
        None => Ok(None),
        Some(WhichVersion::Id(id)) => Ok(Some(id.sequence())),
        Some(WhichVersion::Null) => {
            if let Some(sequence) = view.record(&keys::null_version(&bucket.id, marker.key)).await? {
                return Ok(Some(sequence));
            }
            let head: Option<Version> = view.record(&keys::object(&bucket.id, marker.key)).await?;
            Ok(head.filter(|head| head.null).map(|head| head.id.sequence()))
        }
    }
}

fn key_of(place: &[u8]) -> Result<String> {
    keys::object_key(place).map_err(|error| Error::Damaged(error.to_string()))
}

fn successor(place: &Bytes) -> Bytes {
    let mut next = place.to_vec();
    next.push(0);
    next.into()
}

/// The first place behind everything that begins with `prefix`.
fn behind(prefix: Bytes) -> Bytes {
    // A key of ours begins with a byte that is not 255, so its range has an end.
    keys::below(prefix).end().cloned().unwrap_or_default()
}
