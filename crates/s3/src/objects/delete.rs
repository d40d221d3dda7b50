use super::conditions::WriteConditions;
use crate::notifications::{Happened, emit};
use crate::records::{Bucket, Version, Versioning, View};
use crate::s3::WhichVersion;
use crate::shapes::{DeleteObjectOutput, DeleteObjectRequest};
use crate::versions::Changed;
use crate::{Error, Result, S3, keys, names, object_lock, versions};
use danbi_core::{RequestContext, Timestamp};
use danbi_store::Transaction;
use std::sync::Arc;

/// DeleteObject.
pub(crate) async fn delete(
    s3: Arc<S3>,
    context: RequestContext,
    input: DeleteObjectRequest,
) -> Result<DeleteObjectOutput> {
    names::check_key(&input.key)?;
    if input.if_match_last_modified_time.is_some() {
        return Err(Error::header_not_implemented("x-amz-if-match-last-modified-time"));
    }
    if input.if_match_size.is_some() {
        return Err(Error::header_not_implemented("x-amz-if-match-size"));
    }
    let removal = Removal {
        key: &input.key,
        version: input.version_id.as_deref(),
        if_match: input.if_match.as_deref(),
        bypass: input.bypass_governance_retention == Some(true),
    };
    let (outcome, told) = s3
        .store
        .transact(async |tx| {
            let owner = input.expected_bucket_owner.as_deref();
            let bucket = s3.bucket(&tx, &context, &input.bucket, owner).await?;
            if input.bypass_governance_retention.is_some() {
                check_bypass(&bucket)?;
            }
            if removal.version.is_some_and(|id| id != "null") && bucket.versioning == Versioning::Never {
                return Err(Error::invalid_version_id(removal.version.unwrap_or_default()));
            }
            let removed = removal
                .run(&tx, &bucket, context.scope.account.as_str(), s3.now())
                .await?;
            let told = tell(&s3, &tx, &context, (&input.bucket, &bucket), &input.key, &removed).await?;
            Ok::<_, Error>((removed, told))
        })
        .await?;
    s3.tell(told);
    if outcome.doomed {
        s3.doomed.notify_one();
    }
    Ok(DeleteObjectOutput {
        delete_marker: outcome.delete_marker.then_some(true),
        version_id: outcome.made.or(input.version_id),
        ..DeleteObjectOutput::default()
    })
}

/// Writes down what was removed for whom it concerns; whether there is anyone.
pub(super) async fn tell(
    s3: &S3,
    tx: &Transaction,
    context: &RequestContext,
    (name, bucket): (&str, &Bucket),
    key: &str,
    removed: &Removed,
) -> Result<bool> {
    let Some(version) = &removed.version else {
        return Ok(false);
    };
    let event = match removed.made {
        Some(_) => "s3:ObjectRemoved:DeleteMarkerCreated",
        None => "s3:ObjectRemoved:Delete",
    };
    emit(s3, tx, context, name, bucket, Happened { event, key, version }).await
}

/// Whether `x-amz-bypass-governance-retention` makes sense at all.
fn check_bypass(bucket: &Bucket) -> Result<()> {
    if bucket.object_lock {
        return Ok(());
    }
    let message = "x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.";
    Err(Error::client("InvalidArgument", 400, message).with("ArgumentName", "x-amz-bypass-governance-retention"))
}

/// One thing that is to be deleted.
pub(crate) struct Removal<'r> {
    pub key: &'r str,
    pub version: Option<&'r str>,
    pub if_match: Option<&'r str>,
    /// Whether governance retention is to be passed over; that the caller may was asked before.
    pub bypass: bool,
}

/// What became of it.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    /// Whether a delete marker was made or removed.
    pub delete_marker: bool,
    /// The version id of a delete marker that was made.
    pub made: Option<String>,
    /// The version that was made or removed; none when there was nothing to remove.
    pub version: Option<Version>,
    /// Whether a version was named that never was one of this key.
    pub unknown: bool,
    /// Whether the sweeper has to be told once the transaction is committed.
    pub doomed: bool,
}

impl Removal<'_> {
    /// Deletes within a transaction: a named version for good; else the object, which leaves a delete marker where
    /// versions are kept. What is not there is deleted all the same.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no version id, `PreconditionFailed`, `AccessDenied` for what is locked.
    pub(crate) async fn run(&self, tx: &Transaction, bucket: &Bucket, owner: &str, now: Timestamp) -> Result<Removed> {
        if let Some(id) = self.version {
            return self.version(tx, bucket, S3::version_id(id)?, now).await;
        }
        let head: Option<Version> = tx.record(&keys::object(&bucket.id, self.key)).await?;
        self.check(self.if_match, head.as_ref())?;
        if bucket.versioning == Versioning::Never {
            let Some(removed) = versions::remove(tx, bucket, self.key, WhichVersion::Null, now).await? else {
                return Ok(Removed::default());
            };
            return Ok(Removed {
                doomed: removed.doomed,
                version: Some(removed.version),
                ..Removed::default()
            });
        }
        let Changed { version, doomed } = versions::put(tx, bucket, self.key, head, None, owner, now).await?;
        Ok(Removed {
            delete_marker: true,
            unknown: false,
            made: Some(version.public_id()),
            version: Some(version),
            doomed,
        })
    }

    async fn version(&self, tx: &Transaction, bucket: &Bucket, which: WhichVersion, now: Timestamp) -> Result<Removed> {
        if let Some(found) = versions::named(tx, bucket, self.key, which).await? {
            self.check(self.if_match, Some(&found))?;
            if let Some(object) = &found.object {
                object_lock::check_removal(object, now, self.bypass)?;
            }
        } else {
            self.check(self.if_match, None)?;
        }
        let Some(removed) = versions::remove(tx, bucket, self.key, which, now).await? else {
            // What was deleted before is deleted; what never was a version of this key is an error.
            let was_one = match which {
                WhichVersion::Null => true,
                WhichVersion::Id(id) => id.is_of(&bucket.id, self.key),
            };
            return Ok(Removed {
                unknown: !was_one,
                ..Removed::default()
            });
        };
        Ok(Removed {
            delete_marker: removed.version.object.is_none(),
            made: None,
            unknown: false,
            doomed: removed.doomed,
            version: Some(removed.version),
        })
    }

    fn check(&self, if_match: Option<&str>, found: Option<&Version>) -> Result<()> {
        let conditions = WriteConditions {
            if_match,
            if_none_match: None,
        };
        conditions.check(self.key, found)
    }
}
