//! Which version of a key is meant, and how a new one takes its place. The layout is that of [`keys`].

use crate::ids::{VersionId, sequence};
use crate::records::{self, Bucket, Object, Version, Versioning, View};
use crate::s3::WhichVersion;
use crate::{Error, Result, S3, content, keys};
use danbi_core::Timestamp;
use danbi_store::Transaction;

/// The current version of a key: an object or a delete marker.
pub(crate) async fn current(view: &impl View, bucket: &Bucket, key: &str) -> Result<Option<Version>> {
    if let Some(head) = view.record(&keys::object(&bucket.id, key)).await? {
        return Ok(Some(head));
    }
    if bucket.versioning == Versioning::Never {
        return Ok(None);
    }
    let newest = view.first(keys::below(keys::history(&bucket.id, key))).await?;
    newest.map(|(_, value)| records::decode(&value)).transpose()
}

/// One version of a key.
pub(crate) async fn named(
    view: &impl View,
    bucket: &Bucket,
    key: &str,
    which: WhichVersion,
) -> Result<Option<Version>> {
    let head: Option<Version> = view.record(&keys::object(&bucket.id, key)).await?;
    let is_it = |version: &Version| match which {
        WhichVersion::Null => version.null,
        WhichVersion::Id(id) => version.id == id && !version.null,
    };
    if let Some(head) = head.filter(is_it) {
        return Ok(Some(head));
    }
    if bucket.versioning == Versioning::Never {
        return Ok(None);
    }
    let Some(sequence) = place(view, bucket, key, which).await? else {
        return Ok(None);
    };
    let version: Option<Version> = view.record(&keys::version(&bucket.id, key, sequence)).await?;
    Ok(version.filter(is_it))
}

/// The version with this id, whatever clients call it.
pub(crate) async fn of_id(view: &impl View, bucket: &Bucket, key: &str, id: VersionId) -> Result<Option<Version>> {
    let head: Option<Version> = view.record(&keys::object(&bucket.id, key)).await?;
    if let Some(head) = head.filter(|head| head.id == id) {
        return Ok(Some(head));
    }
    let old: Option<Version> = view.record(&keys::version(&bucket.id, key, id.sequence())).await?;
    Ok(old.filter(|old| old.id == id))
}

/// The object that a request reads or changes: the version it names, else the current one.
///
/// # Errors
/// `NoSuchKey`, `NoSuchVersion`, `InvalidArgument` for what is no version id, and `MethodNotAllowed` (or `NoSuchKey`, when
/// no version was named) for a delete marker, each with the headers that S3 adds. `method` is the request's.
pub(crate) async fn object(
    view: &impl View,
    bucket: &Bucket,
    key: &str,
    version: Option<&str>,
    method: &str,
) -> Result<(Version, Object)> {
    let found = match version {
        None => current(view, bucket, key).await?,
        Some(text) => {
            let which = S3::version_id(text)?;
            let found = named(view, bucket, key, which).await?;
            Some(found.ok_or_else(|| Error::no_such_version(key, text))?)
        }
    };
    let mut found = found.ok_or_else(|| Error::no_such_key(key))?;
    match found.object.take() {
        Some(object) => Ok((found, object)),
        None => {
            let refused = match version {
                None => Error::no_such_key(key),
                Some(_) => Error::method_not_allowed(method, "DeleteMarker")
                    .with_header("allow", "DELETE")
                    .with_header("last-modified", http_date(found.modified)),
            };
            Err(refused
                .with_header("x-amz-delete-marker", "true")
                .with_header("x-amz-version-id", found.public_id()))
        }
    }
}

/// Where in the history a version lies.
async fn place(view: &impl View, bucket: &Bucket, key: &str, which: WhichVersion) -> Result<Option<u64>> {
    match which {
        WhichVersion::Id(id) => Ok(Some(id.sequence())),
        WhichVersion::Null => view.record(&keys::null_version(&bucket.id, key)).await,
    }
}

/// What became of a change.
#[derive(Debug)]
pub(crate) struct Changed {
    /// The version that was made or removed.
    pub version: Version,
    /// Whether the sweeper has to be told once the transaction is committed.
    pub doomed: bool,
}

/// Makes a new current version of `key`: `object`, or a delete marker. What it replaces in a bucket that keeps no
/// versions is given up; what it follows in one that does becomes history. `head` is the key's head as the transaction
/// read it.
pub(crate) async fn put(
    tx: &Transaction,
    bucket: &Bucket,
    key: &str,
    head: Option<Version>,
    object: Option<Object>,
    owner: &str,
    now: Timestamp,
) -> Result<Changed> {
    let mut doomed = false;
    let head_key = keys::object(&bucket.id, key);
    let mut last = head.as_ref().map(|head| head.id.sequence());
    let null = bucket.versioning != Versioning::Enabled;
    if bucket.versioning != Versioning::Never {
        if head.is_none() {
            let newest = tx.first(keys::below(keys::history(&bucket.id, key))).await?;
            if let Some((newest, _)) = newest {
                let (_, sequence) = keys::version_parts(&newest).map_err(|error| Error::Damaged(error.to_string()))?;
                last = Some(sequence);
            }
        }
        if null && let Some(old) = take_null(tx, bucket, key).await? {
            doomed |= give_up(tx, &old, now)?;
        }
    }
    if let Some(head) = head {
        if null && head.null {
            doomed |= give_up(tx, &head, now)?;
        } else {
            store_history(tx, bucket, key, &head)?;
        }
    }
    let version = Version {
        id: VersionId::new(sequence(now, last), &bucket.id, key),
        null,
        modified: Timestamp::from_millis(now.as_secs() * 1000),
        owner: owner.to_owned(),
        object,
    };
    if version.object.is_some() {
        tx.put(&head_key, records::encode(&version)?)?;
    } else {
        tx.delete(&head_key)?;
        store_history(tx, bucket, key, &version)?;
    }
    Ok(Changed { version, doomed })
}

/// Removes one version for good; `None` when there is no such version. If it was the current one, the next takes its
/// place.
pub(crate) async fn remove(
    tx: &Transaction,
    bucket: &Bucket,
    key: &str,
    which: WhichVersion,
    now: Timestamp,
) -> Result<Option<Changed>> {
    let Some(version) = named(tx, bucket, key, which).await? else {
        return Ok(None);
    };
    let head_key = keys::object(&bucket.id, key);
    let head: Option<Version> = tx.record(&head_key).await?;
    if head.as_ref().is_some_and(|head| head.id == version.id) {
        tx.delete(&head_key)?;
    } else {
        tx.delete(&keys::version(&bucket.id, key, version.id.sequence()))?;
        if version.null {
            tx.delete(&keys::null_version(&bucket.id, key))?;
        }
    }
    let doomed = give_up(tx, &version, now)?;
    if bucket.versioning != Versioning::Never {
        settle(tx, bucket, key).await?;
    }
    Ok(Some(Changed { version, doomed }))
}

/// Writes a version back that was changed in place: tags, an access control list, a lock.
pub(crate) async fn rewrite(tx: &Transaction, bucket: &Bucket, key: &str, version: &Version) -> Result<()> {
    let head_key = keys::object(&bucket.id, key);
    let head: Option<Version> = tx.record(&head_key).await?;
    if head.is_some_and(|head| head.id == version.id) {
        tx.put(&head_key, records::encode(version)?)?;
    } else {
        let key = keys::version(&bucket.id, key, version.id.sequence());
        tx.put(&key, records::encode(version)?)?;
    }
    Ok(())
}

/// Without a head, the newest of the history is current: when it is an object, it is the head.
async fn settle(tx: &Transaction, bucket: &Bucket, key: &str) -> Result<()> {
    let head_key = keys::object(&bucket.id, key);
    if tx.get(&head_key).await?.is_some() {
        return Ok(());
    }
    let Some((place, value)) = tx.first(keys::below(keys::history(&bucket.id, key))).await? else {
        return Ok(());
    };
    let newest: Version = records::decode(&value)?;
    if newest.object.is_some() {
        tx.delete(&place)?;
        if newest.null {
            tx.delete(&keys::null_version(&bucket.id, key))?;
        }
        tx.put(&head_key, value)?;
    }
    Ok(())
}

fn store_history(tx: &Transaction, bucket: &Bucket, key: &str, version: &Version) -> Result<()> {
    let sequence = version.id.sequence();
    tx.put(&keys::version(&bucket.id, key, sequence), records::encode(version)?)?;
    if version.null {
        tx.put(&keys::null_version(&bucket.id, key), records::encode(&sequence)?)?;
    }
    Ok(())
}

/// Takes the version `null` out of the history.
async fn take_null(tx: &Transaction, bucket: &Bucket, key: &str) -> Result<Option<Version>> {
    let pointer = keys::null_version(&bucket.id, key);
    let Some(sequence) = tx.record::<u64>(&pointer).await? else {
        return Ok(None);
    };
    let place = keys::version(&bucket.id, key, sequence);
    let version = tx.record(&place).await?;
    tx.delete(&pointer)?;
    tx.delete(&place)?;
    Ok(version)
}

fn give_up(tx: &Transaction, version: &Version, now: Timestamp) -> Result<bool> {
    match &version.object {
        Some(object) => content::release(tx, &object.content, now),
        None => Ok(false),
    }
}

/// A time as HTTP headers write it.
pub(crate) fn http_date(time: Timestamp) -> String {
    const FORMAT: &[time::format_description::BorrowedFormatItem<'_>] = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    // The format asks for nothing that a date and time does not have.
    time.to_datetime().format(FORMAT).unwrap_or_default()
}
