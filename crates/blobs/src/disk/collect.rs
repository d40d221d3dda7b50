//! Garbage on the local disk.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Disk;
use crate::{BlobError, BlobId, Collected, disk};

/// Blobs looked at between two looks at the folder.
const PAGE: usize = 1000;

pub(crate) async fn collect<F, Fut, E>(
    disk: &Arc<Disk>,
    grace: Duration,
    is_referenced: F,
) -> Result<Collected, BlobError>
where
    F: Fn(BlobId) -> Fut,
    Fut: Future<Output = Result<bool, E>> + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Fixed before the first question: what is put from now on is younger than any answer.
    let Some(since) = SystemTime::now().checked_sub(grace) else {
        return Ok(Collected::default());
    };
    let mut collected = Collected::default();
    let mut after = None;
    loop {
        let listing = Arc::clone(disk);
        let page = disk::blocking(move || listing.list(after.as_ref(), PAGE)).await?;
        for &id in &page {
            let referenced = is_referenced(id)
                .await
                .map_err(|error| BlobError::References(error.into()))?;
            if !referenced && remove(disk, id, since).await? {
                collected.removed += 1;
            } else {
                collected.kept += 1;
            }
        }
        if page.len() < PAGE {
            tracing::debug!(removed = collected.removed, kept = collected.kept, "blobs collected");
            return Ok(collected);
        }
        after = page.last().copied();
    }
}

async fn remove(disk: &Arc<Disk>, id: BlobId, since: SystemTime) -> Result<bool, BlobError> {
    let disk = Arc::clone(disk);
    disk::blocking(move || disk.delete(&id, Some(since))).await
}
