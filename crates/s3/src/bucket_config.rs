//! Where the configurations of a bucket are kept: one value a kind (and an id, for kinds of which a bucket has many).
//!
//! A configuration is whatever type its operation likes, as JSON; usually the API's own shape. The bucket's record names
//! the kinds that are there, in the same transaction, so that a request reads a configuration only when there is one.

use crate::records::{self, Bucket, View};
use crate::{Error, Result, keys};
use danbi_store::{MAX_VALUE_BYTES, Transaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The kinds that more than one room knows. A kind that only its own operations read is named there.
pub(crate) mod kind {
    /// `Tagging`.
    pub(crate) const TAGGING: &str = "tagging";
    /// The access control list.
    pub(crate) const ACL: &str = "acl";
    /// The policy document, as JSON text.
    pub(crate) const POLICY: &str = "policy";
    /// `ServerSideEncryptionConfiguration`.
    pub(crate) const ENCRYPTION: &str = "encryption";
    /// `ObjectLockConfiguration`.
    pub(crate) const OBJECT_LOCK: &str = "object-lock";
    /// `CORSConfiguration`.
    pub(crate) const CORS: &str = "cors";
    /// `WebsiteConfiguration`.
    pub(crate) const WEBSITE: &str = "website";
    /// `LifecycleConfiguration`.
    pub(crate) const LIFECYCLE: &str = "lifecycle";
    /// `NotificationConfiguration`.
    pub(crate) const NOTIFICATION: &str = "notification";
}

/// The configuration of this kind, if the bucket has one.
pub(crate) async fn get<T: DeserializeOwned + Send>(
    view: &impl View,
    bucket: &Bucket,
    kind: &str,
) -> Result<Option<T>> {
    get_one(view, bucket, kind, "").await
}

/// One of the configurations of this kind.
pub(crate) async fn get_one<T: DeserializeOwned + Send>(
    view: &impl View,
    bucket: &Bucket,
    kind: &str,
    id: &str,
) -> Result<Option<T>> {
    if !bucket.configured.contains(kind) {
        return Ok(None);
    }
    view.record(&keys::config(&bucket.id, kind, id)).await
}

/// Sets the configuration of this kind. `name` is the bucket's.
///
/// # Errors
/// `EntityTooLarge` when it does not fit a value of the store (100 kB).
pub(crate) fn put(tx: &Transaction, name: &str, bucket: &mut Bucket, kind: &str, value: &impl Serialize) -> Result<()> {
    put_one(tx, name, bucket, kind, "", value)
}

/// Sets one of the configurations of this kind.
pub(crate) fn put_one(
    tx: &Transaction,
    name: &str,
    bucket: &mut Bucket,
    kind: &str,
    id: &str,
    value: &impl Serialize,
) -> Result<()> {
    let value = records::encode(value)?;
    if value.len() > MAX_VALUE_BYTES {
        return Err(Error::entity_too_large(value.len() as u64, MAX_VALUE_BYTES as u64));
    }
    tx.put(&keys::config(&bucket.id, kind, id), value)?;
    if bucket.configured.insert(kind.to_owned()) {
        tx.put(&keys::bucket(name), records::encode(bucket)?)?;
    }
    Ok(())
}

/// Writes the bucket's record, after a change of a member other than what [`put`] and [`delete`] keep.
pub(crate) fn save(tx: &Transaction, name: &str, bucket: &Bucket) -> Result<()> {
    Ok(tx.put(&keys::bucket(name), records::encode(bucket)?)?)
}

/// Removes the configuration of this kind; there need not be one.
pub(crate) fn delete(tx: &Transaction, name: &str, bucket: &mut Bucket, kind: &str) -> Result<()> {
    tx.delete(&keys::config(&bucket.id, kind, ""))?;
    if bucket.configured.remove(kind) {
        tx.put(&keys::bucket(name), records::encode(bucket)?)?;
    }
    Ok(())
}

/// Removes one of the configurations of this kind; whether there was one. The kind stays among those that are looked for.
pub(crate) async fn delete_one(tx: &Transaction, bucket: &Bucket, kind: &str, id: &str) -> Result<bool> {
    let key = keys::config(&bucket.id, kind, id);
    let there = tx.get(&key).await?.is_some();
    if there {
        tx.delete(&key)?;
    }
    Ok(there)
}
