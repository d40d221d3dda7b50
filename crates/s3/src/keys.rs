//! The store layout: every key of S3, and why it is there.
//!
//! | key | value | why |
//! |---|---|---|
//! | `bucket, NAME` | [`Bucket`](crate::records::Bucket) | names are global over accounts, as AWS's are |
//! | `owned, ACCOUNT, NAME` | [`Listed`](crate::records::Listed) | an account's buckets by name, without reading each |
//! | `config, BUCKET, KIND, ID` | JSON of the configuration | read by those who need it only; `ID` is empty for kinds of which a bucket has one |
//! | `object, BUCKET, KEY` | [`Version`](crate::records::Version) | the *head*: the current version when it is an object. A listing reads these and nothing else, so neither old versions nor delete markers slow it |
//! | `version, BUCKET, KEY, newest first` | [`Version`](crate::records::Version) | the *history*: every version that is not the head; a delete marker is always here, even when it is current |
//! | `null, BUCKET, KEY` | sequence number | where the version `null` lies in the history; missing when it is the head or there is none |
//! | `inline, CONTENT` | sealed bytes | the content of a small object, apart from its record so that listings stay small |
//! | `extents, CONTENT, OFFSET` | [`ExtentPage`](crate::records::ExtentPage) | where the bytes from `OFFSET` on are, for content of many extents: a range reads the pages it needs |
//! | `upload, BUCKET, KEY, SEQUENCE, UPLOAD` | [`Upload`](crate::records::Upload) | an unfinished multipart upload; ordered as `ListMultipartUploads` lists them |
//! | `part, UPLOAD, NUMBER` | [`Part`](crate::records::Part) | a part of an unfinished upload |
//! | `blob, BLOB, HOLDER` | nothing | that the blob is in use; written and removed by the transaction that makes or unmakes the holder. The collector's question is one bounded scan |
//! | `event, DUE, ID` | `Waiting` | an event that waits to be told, by when it is due |
//! | `master keys` | names | which master keys things are sealed under, so that a lost one is noticed at the start |
//! | `lease, WORK` | `Held` | which node does a work that one node at a time does |
//! | `restored, UNTIL, ID` | [`Restored`](crate::records::Restored) | copies of archived objects, by when they end; a copy that got more time has a later entry too |
//! | `doomed, TIME, CONTENT` | [`Doomed`](crate::records::Doomed) | things whose removal is too long for one request: a background owner removes them bit by bit, also after a crash |
//!
//! `BUCKET` is the bucket's random id, never its name: what is left of a deleted bucket can never show up in a new one.
//! A version is in exactly one of head and history, so that nothing has to be kept in step; making a new version of a
//! key moves the head into the history in the same transaction.
//!
//! The current version of a key is its head; without a head, the newest of its history, which is a delete marker.

use crate::ids::{BucketId, ContentId, UploadId};
use bytes::Bytes;
use danbi_blobs::BlobId;
use danbi_store::KeyRange;
use danbi_store::key::{KeyBuilder, KeyError, KeyReader};

fn kind(kind: &str) -> KeyBuilder {
    KeyBuilder::new().str("s3").str(kind)
}

/// A bucket by its name.
pub(crate) fn bucket(name: &str) -> Bytes {
    kind("bucket").str(name).build()
}

/// Every bucket of every account, by name.
pub(crate) fn buckets() -> Bytes {
    kind("bucket").build()
}

/// That an account owns a bucket.
pub(crate) fn owned(account: &str, name: &str) -> Bytes {
    kind("owned").str(account).str(name).build()
}

/// The buckets of an account whose names begin with `prefix`, by name.
pub(crate) fn owned_by(account: &str, prefix: &str) -> Bytes {
    kind("owned").str(account).str_prefix(prefix)
}

/// The name of the bucket in a key that [`owned`] made.
pub(crate) fn owned_name(key: &[u8]) -> Result<String, KeyError> {
    let mut reader = KeyReader::new(key);
    for _ in 0..3 {
        reader.str()?;
    }
    reader.str()
}

/// A configuration of a bucket; `id` is empty for kinds of which a bucket has one.
pub(crate) fn config(bucket: &BucketId, name: &str, id: &str) -> Bytes {
    kind("config").bytes(bucket.as_bytes()).str(name).str(id).build()
}

/// The configurations of one kind, by id.
pub(crate) fn configs(bucket: &BucketId, name: &str) -> Bytes {
    kind("config").bytes(bucket.as_bytes()).str(name).build()
}

/// All configurations of a bucket.
pub(crate) fn all_configs(bucket: &BucketId) -> Bytes {
    kind("config").bytes(bucket.as_bytes()).build()
}

/// The head of a key.
pub(crate) fn object(bucket: &BucketId, key: &str) -> Bytes {
    kind("object").bytes(bucket.as_bytes()).str(key).build()
}

/// The heads of a bucket whose keys begin with `prefix`, in S3's order (that of the keys' UTF-8 bytes).
pub(crate) fn objects(bucket: &BucketId, prefix: &str) -> Bytes {
    kind("object").bytes(bucket.as_bytes()).str_prefix(prefix)
}

/// The object's key in a key of the table `object`, `version` or `upload`.
pub(crate) fn object_key(key: &[u8]) -> Result<String, KeyError> {
    let mut reader = KeyReader::new(key);
    reader.str()?;
    reader.str()?;
    reader.bytes()?;
    reader.str()
}

/// One version in the history of a key.
pub(crate) fn version(bucket: &BucketId, key: &str, sequence: u64) -> Bytes {
    history_of(bucket, key).u64_desc(sequence).build()
}

/// The history of a key, newest first.
pub(crate) fn history(bucket: &BucketId, key: &str) -> Bytes {
    history_of(bucket, key).build()
}

fn history_of(bucket: &BucketId, key: &str) -> KeyBuilder {
    kind("version").bytes(bucket.as_bytes()).str(key)
}

/// The histories of the keys that begin with `prefix`, by key, each newest first.
pub(crate) fn histories(bucket: &BucketId, prefix: &str) -> Bytes {
    kind("version").bytes(bucket.as_bytes()).str_prefix(prefix)
}

/// The object's key and the sequence number in a key of the history.
pub(crate) fn version_parts(key: &[u8]) -> Result<(String, u64), KeyError> {
    let mut reader = KeyReader::new(key);
    reader.str()?;
    reader.str()?;
    reader.bytes()?;
    Ok((reader.str()?, reader.u64_desc()?))
}

/// Where the version `null` of a key lies in its history.
pub(crate) fn null_version(bucket: &BucketId, key: &str) -> Bytes {
    kind("null").bytes(bucket.as_bytes()).str(key).build()
}

/// All [`null_version`]s of a bucket.
pub(crate) fn null_versions(bucket: &BucketId) -> Bytes {
    kind("null").bytes(bucket.as_bytes()).build()
}

/// The content of a small object.
pub(crate) fn inline(content: &ContentId) -> Bytes {
    kind("inline").bytes(content.as_bytes()).build()
}

/// The page of extents that begins at `offset` of the content.
pub(crate) fn extent_page(content: &ContentId, offset: u64) -> Bytes {
    kind("extents").bytes(content.as_bytes()).u64(offset).build()
}

/// All pages of extents of a content, in order.
pub(crate) fn extent_pages(content: &ContentId) -> Bytes {
    kind("extents").bytes(content.as_bytes()).build()
}

/// An unfinished upload.
pub(crate) fn upload(bucket: &BucketId, key: &str, upload: &UploadId) -> Bytes {
    kind("upload")
        .bytes(bucket.as_bytes())
        .str(key)
        .u64(upload.sequence())
        .bytes(upload.as_bytes())
        .build()
}

/// The unfinished uploads of the keys that begin with `prefix`: by key, then by when they began.
pub(crate) fn uploads(bucket: &BucketId, prefix: &str) -> Bytes {
    kind("upload").bytes(bucket.as_bytes()).str_prefix(prefix)
}

/// The object's key and the upload in a key that [`upload`] made.
pub(crate) fn upload_parts(key: &[u8]) -> Result<(String, UploadId), KeyError> {
    let mut reader = KeyReader::new(key);
    reader.str()?;
    reader.str()?;
    reader.bytes()?;
    let object = reader.str()?;
    reader.u64()?;
    let upload = UploadId::from_slice(&reader.bytes()?).map_err(|_| KeyError::OutOfRange)?;
    Ok((object, upload))
}

/// The unfinished uploads of one key, by when they began.
pub(crate) fn uploads_of(bucket: &BucketId, key: &str) -> Bytes {
    kind("upload").bytes(bucket.as_bytes()).str(key).build()
}

/// A part of an unfinished upload.
pub(crate) fn part(upload: &UploadId, number: u32) -> Bytes {
    kind("part").bytes(upload.as_bytes()).u64(number.into()).build()
}

/// The number in a key that [`part`] made.
pub(crate) fn part_number(key: &[u8]) -> Result<u32, KeyError> {
    let mut reader = KeyReader::new(key);
    reader.str()?;
    reader.str()?;
    reader.bytes()?;
    u32::try_from(reader.u64()?).map_err(|_| KeyError::OutOfRange)
}

/// The parts of an unfinished upload, by number.
pub(crate) fn parts(upload: &UploadId) -> Bytes {
    kind("part").bytes(upload.as_bytes()).build()
}

/// That `holder` needs the blob.
pub(crate) fn blob_use(blob: &BlobId, holder: &ContentId) -> Bytes {
    kind("blob").bytes(blob.as_bytes()).bytes(holder.as_bytes()).build()
}

/// Everyone who needs the blob.
pub(crate) fn blob_uses(blob: &BlobId) -> Bytes {
    kind("blob").bytes(blob.as_bytes()).build()
}

/// The name of the bucket in a key that [`bucket`] made.
pub(crate) fn bucket_name(key: &[u8]) -> Result<String, KeyError> {
    let mut reader = KeyReader::new(key);
    reader.str()?;
    reader.str()?;
    reader.str()
}

/// An event that is to be told at this time. `id` tells apart what is due in the same millisecond.
pub(crate) fn event(due_millis: i64, id: &ContentId) -> Bytes {
    kind("event").i64(due_millis).bytes(id.as_bytes()).build()
}

/// The events that are due at this time, oldest first.
pub(crate) fn events_until(millis: i64) -> KeyRange {
    KeyRange::new(
        kind("event").build(),
        kind("event").i64(millis.saturating_add(1)).build(),
    )
}

/// That a restored copy ends at this time. `id` tells apart what ends in the same millisecond.
pub(crate) fn restored(until_millis: i64, id: &ContentId) -> Bytes {
    kind("restored").i64(until_millis).bytes(id.as_bytes()).build()
}

/// The restored copies that have ended at this time, oldest first.
pub(crate) fn restored_until(millis: i64) -> KeyRange {
    KeyRange::new(
        kind("restored").build(),
        kind("restored").i64(millis.saturating_add(1)).build(),
    )
}

/// The names of the master keys.
pub(crate) fn master_keys() -> Bytes {
    kind("master keys").build()
}

/// Who does a work that one node at a time does.
pub(crate) fn lease(work: &str) -> Bytes {
    kind("lease").str(work).build()
}

/// Something that is to be removed. `id` tells apart what is doomed in the same millisecond.
pub(crate) fn doomed(at_millis: i64, id: &ContentId) -> Bytes {
    kind("doomed").i64(at_millis).bytes(id.as_bytes()).build()
}

/// Everything that is to be removed, oldest first.
pub(crate) fn all_doomed() -> Bytes {
    kind("doomed").build()
}

/// The range of everything below a prefix made here.
pub(crate) fn below(prefix: Bytes) -> KeyRange {
    KeyRange::prefix(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use danbi_core::Timestamp;

    #[test]
    fn keys_read_as_they_are_written() {
        let bucket = BucketId::new();
        assert_eq!(object_key(&object(&bucket, "a/\0b")).as_deref(), Ok("a/\0b"));
        assert_eq!(version_parts(&version(&bucket, "k", 9)), Ok(("k".into(), 9)));
        let id = UploadId::new(Timestamp::from_millis(5));
        assert_eq!(upload_parts(&upload(&bucket, "k", &id)), Ok(("k".into(), id)));
        assert_eq!(part_number(&part(&id, 10_000)), Ok(10_000));
        assert!(below(uploads_of(&bucket, "k")).contains(&upload(&bucket, "k", &id)));
        assert_eq!(owned_name(&owned("000000000000", "b")).as_deref(), Ok("b"));
    }

    #[test]
    fn order_is_what_lists_need() {
        let bucket = BucketId::new();
        assert!(object(&bucket, "a") < object(&bucket, "a\0"));
        assert!(object(&bucket, "a/b") < object(&bucket, "b"));
        assert!(version(&bucket, "k", 9) < version(&bucket, "k", 8));
        assert!(version(&bucket, "k", 1) < version(&bucket, "k\0", 9));
        assert!(below(objects(&bucket, "a/")).contains(&object(&bucket, "a/b")));
        assert!(!below(objects(&bucket, "a/")).contains(&object(&bucket, "a")));
        assert!(below(history(&bucket, "k")).contains(&version(&bucket, "k", 0)));
        assert!(!below(history(&bucket, "k")).contains(&version(&bucket, "kk", 0)));
    }
}
