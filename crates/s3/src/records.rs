//! What the store holds of S3: the service's own types, apart from the API's shapes, so that neither binds the other.
//!
//! Written as JSON; a member that is new gets a default, so that records of older versions stay readable.

use crate::acl::Acl;
use crate::ids::{BucketId, ContentId, UploadId, VersionId};
use crate::ownership::Ownership;
use crate::public_access::Blocks;
use crate::{Error, Result};
use bytes::Bytes;
use danbi_blobs::BlobId;
use danbi_core::Timestamp;
use danbi_store::{Direction, KeyRange, Page, Snapshot, StoreError, Transaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

/// Whether a bucket keeps old versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Versioning {
    /// It never did: there is no history to look at.
    #[default]
    Never,
    Enabled,
    /// It did: what is written now is the version `null`.
    Suspended,
}

/// A bucket. Read by every request, so it holds what every request needs and nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub id: BucketId,
    /// The account that owns it: twelve digits.
    pub owner: String,
    pub region: String,
    pub created: Timestamp,
    #[serde(default)]
    pub versioning: Versioning,
    /// Whether object lock was switched on, which nothing can undo.
    #[serde(default)]
    pub object_lock: bool,
    /// Whether the bucket has no encryption by default unless it is given one, as buckets had none before 2023.
    #[serde(default, skip_serializing_if = "is_false")]
    pub no_usual_encryption: bool,
    /// Who owns what others write, and whether lists count. Without controls they do, and writers own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ownership: Option<Ownership>,
    /// Which public access is blocked; `None` when nothing was said, and then nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_access: Option<Blocks>,
    /// What a decision needs to know of the policy before reading it; `None` when there is no policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyFacts>,
    /// The kinds of configuration that the bucket has, so that a request need not look for what is not there. Kept by
    /// [`bucket_config`](crate::bucket_config).
    #[serde(default)]
    pub configured: BTreeSet<String>,
}

impl Bucket {
    /// Which public access is blocked.
    pub(crate) fn blocks(&self) -> Blocks {
        self.public_access.unwrap_or_default()
    }

    /// Whether access control lists count.
    pub(crate) fn has_lists(&self) -> bool {
        self.ownership != Some(Ownership::BucketOwnerEnforced)
    }
}

/// What is to be known of a policy without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyFacts {
    /// Whether it lets everybody do something.
    pub is_public: bool,
    /// Whether it asks for the tags that an object has.
    pub reads_tags: bool,
}

/// A bucket in its owner's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub created: Timestamp,
    pub region: String,
}

/// One version of a key: an object or a delete marker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    /// Its identity and place in time. Clients see it unless [`Version::null`].
    pub id: VersionId,
    /// Whether clients know it as `null`: written while the bucket kept no versions.
    #[serde(default, skip_serializing_if = "is_false")]
    pub null: bool,
    /// `Last-Modified`.
    pub modified: Timestamp,
    /// The account that wrote it.
    pub owner: String,
    /// The object; `None` is a delete marker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Object>,
}

impl Version {
    /// The version id as clients see it.
    pub(crate) fn public_id(&self) -> String {
        if self.null { "null".into() } else { self.id.to_string() }
    }
}

/// An object: all of a version but its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Object {
    /// Bytes, as the client sent them.
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    /// Where the bytes are.
    pub content: Content,
    pub encryption: Encryption,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    /// How many parts it was uploaded in; none when by one request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<u32>,
    /// The multipart upload that became it, so that completing it once more gives the same answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadId>,
    /// None is `STANDARD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// Until when the copy can be read that a restore made of an archived object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// User metadata: names in lower case without `x-amz-meta-`, values as they came.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The access control list, where it is not the owner's alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acl: Option<Acl>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Whether it is held; none when nobody ever said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_hold: Option<bool>,
}

/// Where bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Content {
    /// There are none.
    Empty,
    /// Sealed, in the store, under [`keys::inline`](crate::keys::inline) of this id.
    Inline(ContentId),
    /// One extent.
    Whole(Extent),
    /// Many extents, listed in pages under [`keys::extent_pages`](crate::keys::extent_pages) of this id.
    Spread(ContentId),
}

/// A sealed stretch of an object that is one blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extent {
    /// The sealed bytes.
    pub blob: BlobId,
    /// What its key is derived with ([`crypto`](crate::crypto)); chosen at random when it was written and never used twice.
    pub salt: ContentId,
    /// In whose name the blob is kept ([`keys::blob_use`](crate::keys::blob_use)); a copy has a holder of its own.
    pub holder: ContentId,
    /// Bytes, as the client sent them.
    pub size: u64,
    /// The part of the upload that it was; 0 when there were none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub part: u32,
    /// The part's checksum, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

/// Extents that follow each other, in one value: at most [`ExtentPage::LENGTH`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct ExtentPage {
    pub extents: Vec<Extent>,
}

impl ExtentPage {
    /// Extents of a page. One takes 320 bytes at most, a value of the store 100,000.
    pub(crate) const LENGTH: usize = 300;
}

/// How an object is encrypted. Its data key is random and kept sealed under a key that is not in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Encryption {
    pub kind: EncryptionKind,
    /// The sealed data key, base64.
    pub key: String,
}

/// Under whose key a data key is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EncryptionKind {
    /// The platform's (SSE-S3).
    S3,
    /// The platform's, because nothing is written unsealed: nobody asked for it, and no answer tells of it.
    Unasked,
    /// A key of KMS (SSE-KMS).
    Kms {
        key_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context: Option<String>,
        #[serde(default, skip_serializing_if = "is_false")]
        bucket_key: bool,
    },
    /// The client's, which is with the client alone (SSE-C).
    Customer {
        /// MD5 of the client's key, base64.
        key_md5: String,
    },
}

/// An additional checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checksum {
    /// As the API names it, such as `CRC64NVME`.
    pub algorithm: String,
    /// Base64; for a composite one with `-PARTS`.
    pub value: String,
    /// Whether it is a checksum of the parts' checksums (`COMPOSITE`) instead of the bytes (`FULL_OBJECT`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub composite: bool,
}

/// HTTP headers that are kept with an object and given back as they came.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Headers {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website_redirect: Option<String>,
}

impl Headers {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Until when a version may not be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retention {
    /// Whether nobody at all may shorten it (`COMPLIANCE`), instead of nobody without the right to (`GOVERNANCE`).
    pub compliance: bool,
    pub until: Timestamp,
}

/// An unfinished multipart upload: all of the object to be that is known before its parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub initiated: Timestamp,
    /// The account that began it.
    pub owner: String,
    /// The principal's ARN, for `Initiator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<String>,
    pub encryption: Encryption,
    /// The checksum's algorithm and whether it is to be composite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<(String, bool)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    #[serde(default)]
    pub headers: Headers,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acl: Option<Acl>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Whether it is held; none when nobody ever said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_hold: Option<bool>,
}

/// A part of an unfinished upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    pub modified: Timestamp,
    /// Where the bytes are; none when there are none. Its holder is the part's own.
    pub extent: Option<Extent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
}

/// A version whose restored copy ends one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restored {
    /// The bucket's name.
    pub bucket: String,
    pub key: String,
    pub version: VersionId,
}

/// Something whose removal is too long for one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Doomed {
    /// The pages of a spread content and what their extents hold.
    Extents(ContentId),
    /// The parts of an upload that is gone, but for those that the completed object took over.
    Parts(UploadId),
    /// What a deleted bucket left: its configurations and unfinished uploads.
    Bucket(BucketId),
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// Bytes that most records fit into, so that writing one moves nothing.
const USUAL_BYTES: usize = 1024;

/// A record as a value of the store.
pub(crate) fn encode(record: &impl Serialize) -> Result<Vec<u8>> {
    let mut written = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut written, record)
        .map_err(|error| Error::Damaged(format!("a record cannot be written: {error}")))?;
    // The store keeps values for a while, with all the room that they have.
    written.shrink_to_fit();
    Ok(written)
}

/// A record from a value of the store.
pub(crate) fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T> {
    serde_json::from_slice(value).map_err(|error| Error::Damaged(format!("a record cannot be read: {error}")))
}

/// A consistent view of the store: a snapshot, or a transaction.
pub(crate) trait View: Sync {
    fn value(&self, key: &[u8]) -> impl Future<Output = Result<Option<Bytes>, StoreError>> + Send;

    fn page(
        &self,
        range: KeyRange,
        direction: Direction,
        limit: usize,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// The record under `key`, if there is one.
    fn record<T: DeserializeOwned + Send>(&self, key: &[u8]) -> impl Future<Output = Result<Option<T>>> + Send {
        async move { self.value(key).await?.map(|value| decode(&value)).transpose() }
    }

    /// The first entry of the range.
    fn first(&self, range: KeyRange) -> impl Future<Output = Result<Option<(Bytes, Bytes)>>> + Send {
        async move { Ok(self.page(range, Direction::Forward, 1).await?.entries.pop()) }
    }
}

impl View for Snapshot {
    async fn value(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.get(key).await
    }

    async fn page(&self, range: KeyRange, direction: Direction, limit: usize) -> Result<Page, StoreError> {
        self.scan(range, direction, limit).await
    }
}

impl View for Transaction {
    async fn value(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.get(key).await
    }

    async fn page(&self, range: KeyRange, direction: Direction, limit: usize) -> Result<Page, StoreError> {
        self.scan(range, direction, limit).await
    }
}
