use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::disk::{Disk, Draft, blocking};
use crate::{BlobError, BlobId, CHUNK_BYTES};

/// A blob that is being written piece by piece. Dropped before [`BlobWriter::finish`], it leaves nothing.
pub struct BlobWriter {
    /// Away while a piece is being written; for good when that was cancelled or failed.
    draft: Option<Draft>,
    /// Small pieces gather here, so that each trip to the disk is worth it.
    gathered: BytesMut,
    size: u64,
}

impl BlobWriter {
    pub(crate) async fn begin(disk: Arc<Disk>) -> Result<Self, BlobError> {
        let draft = blocking(move || disk.begin()).await?;
        Ok(Self {
            draft: Some(draft),
            gathered: BytesMut::new(),
            size: 0,
        })
    }

    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a piece of any size.
    pub async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        self.size += piece.len() as u64;
        if self.gathered.len() + piece.len() < CHUNK_BYTES {
            self.gathered.extend_from_slice(&piece);
            return Ok(());
        }
        self.pour(piece).await
    }

    /// Stores the blob; its name and size. Returns once it is on disk.
    pub async fn finish(mut self) -> Result<(BlobId, u64), BlobError> {
        if !self.gathered.is_empty() {
            self.pour(Bytes::new()).await?;
        }
        let draft = self.draft.take().ok_or(BlobError::Interrupted)?;
        Ok((blocking(move || draft.finish()).await?, self.size))
    }

    async fn pour(&mut self, piece: Bytes) -> Result<(), BlobError> {
        let mut draft = self.draft.take().ok_or(BlobError::Interrupted)?;
        let gathered = self.gathered.split().freeze();
        let draft = blocking(move || {
            draft.write(&gathered)?;
            draft.write(&piece)?;
            Ok(draft)
        })
        .await?;
        self.draft = Some(draft);
        Ok(())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        // Removing a large file takes a while: not on a thread of the runtime, as long as there is one.
        if let (Some(draft), Ok(runtime)) = (self.draft.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn_blocking(move || drop(draft));
        }
    }
}

impl std::fmt::Debug for BlobWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "BlobWriter after {} bytes", self.size)
    }
}
