//! Removal of what is too much for one request: the extents of large objects, the parts of uploads, what a deleted bucket
//! left. What is to go is written down in the transaction that dooms it, so a crash delays the removal and nothing else.

use crate::ids::{BucketId, ContentId, UploadId};
use crate::records::{self, Doomed, ExtentPage, Part, View};
use crate::{Error, Result, S3, keys};
use bytes::Bytes;
use danbi_store::{KeyRange, Transaction};
use std::sync::Arc;
use std::time::Duration;

/// Entries that one transaction removes.
const AT_ONCE: usize = 1000;
/// Pages of extents that one transaction removes: some thousand references to blobs.
const PAGES_AT_ONCE: usize = 8;
/// How long after a failure the sweeper tries again.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Removes what is doomed, now and whenever it is told of more, until the service ends.
pub(crate) async fn run(s3: Arc<S3>) {
    loop {
        let pause = match all(&s3).await {
            Ok(()) => Duration::MAX,
            Err(error) => {
                tracing::warn!(%error, "what was deleted could not be removed; trying again");
                AFTER_FAILURE
            }
        };
        tokio::select! {
            () = s3.stopped() => return,
            () = s3.doomed.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Removes everything that is doomed.
pub(crate) async fn all(s3: &S3) -> Result<()> {
    loop {
        let next = s3.snapshot().await?.first(keys::below(keys::all_doomed())).await?;
        let Some((place, value)) = next else { return Ok(()) };
        if s3.is_stopping() {
            return Ok(());
        }
        match records::decode(&value)? {
            Doomed::Extents(content) => extents(s3, &content, &place).await?,
            Doomed::Parts(upload) => parts(s3, &upload, &place).await?,
            Doomed::Bucket(bucket) => self::bucket(s3, &bucket, &place).await?,
        }
    }
}

/// One step of a removal: whether it was the last, after which `place` is forgotten in the same transaction.
async fn step<F>(s3: &S3, place: &Bytes, range: KeyRange, limit: usize, remove: F) -> Result<()>
where
    F: Fn(&Transaction, &Bytes, &Bytes) -> Result<()> + Sync,
{
    loop {
        let finished = s3
            .store
            .transact(async |tx| {
                let page = tx.page(range.clone(), danbi_store::Direction::Forward, limit).await?;
                for (key, value) in &page.entries {
                    remove(&tx, key, value)?;
                    tx.delete(key)?;
                }
                if !page.more {
                    tx.delete(place)?;
                }
                Ok::<_, Error>(!page.more)
            })
            .await?;
        if finished {
            return Ok(());
        }
    }
}

async fn extents(s3: &S3, content: &ContentId, place: &Bytes) -> Result<()> {
    let range = keys::below(keys::extent_pages(content));
    step(s3, place, range, PAGES_AT_ONCE, |tx, _, value| {
        for extent in records::decode::<ExtentPage>(value)?.extents {
            tx.delete(&keys::blob_use(&extent.blob, &extent.holder))?;
        }
        Ok(())
    })
    .await
}

async fn parts(s3: &S3, upload: &UploadId, place: &Bytes) -> Result<()> {
    let range = keys::below(keys::parts(upload));
    step(s3, place, range, AT_ONCE, |tx, _, value| {
        if let Some(extent) = records::decode::<Part>(value)?.extent {
            tx.delete(&keys::blob_use(&extent.blob, &extent.holder))?;
        }
        Ok(())
    })
    .await
}

async fn bucket(s3: &S3, bucket: &BucketId, place: &Bytes) -> Result<()> {
    let now = s3.now();
    let nowhere = keys::doomed(i64::MAX, &ContentId::new(now));
    // Only the last of the steps may forget the bucket.
    step(
        s3,
        &nowhere,
        keys::below(keys::all_configs(bucket)),
        AT_ONCE,
        |_, _, _| Ok(()),
    )
    .await?;
    step(
        s3,
        &nowhere,
        keys::below(keys::null_versions(bucket)),
        AT_ONCE,
        |_, _, _| Ok(()),
    )
    .await?;
    step(
        s3,
        place,
        keys::below(keys::uploads(bucket, "")),
        AT_ONCE,
        |tx, key, _| {
            let (_, upload) = keys::upload_parts(key).map_err(|error| Error::Damaged(error.to_string()))?;
            let doomed = records::encode(&Doomed::Parts(upload))?;
            Ok(tx.put(&keys::doomed(now.as_millis(), &ContentId::new(now)), doomed)?)
        },
    )
    .await
}
