use std::time::{Duration, SystemTime};

use crate::{BlobError, BlobId, Blobs, disk};

/// Blobs looked at between two looks at the folder.
const PAGE: usize = 1000;

/// What a garbage collection did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Blobs that nobody refers to and that were removed.
    pub removed: u64,
    /// Blobs that stay: referred to, or within the grace period.
    pub kept: u64,
}

pub(crate) async fn collect<F, Fut, E>(blobs: &Blobs, grace: Duration, is_referenced: F) -> Result<Collected, BlobError>
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
        let page = blobs.list(after.as_ref(), PAGE).await?;
        for &id in &page {
            let referenced = is_referenced(id)
                .await
                .map_err(|error| BlobError::References(error.into()))?;
            if !referenced && remove(blobs, id, since).await? {
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

async fn remove(blobs: &Blobs, id: BlobId, since: SystemTime) -> Result<bool, BlobError> {
    let disk = std::sync::Arc::clone(&blobs.disk);
    disk::blocking(move || disk.delete(&id, Some(since))).await
}
