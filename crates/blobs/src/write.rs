use std::sync::Arc;

use bytes::Bytes;

use crate::disk::{Disk, DiskWriter};
use crate::remote::{Remote, RemoteWriter};
use crate::{BlobError, BlobId};

/// A blob that is being written piece by piece. Dropped before [`BlobWriter::finish`], it leaves nothing.
pub struct BlobWriter {
    to: To,
    size: u64,
}

enum To {
    Disk(DiskWriter),
    Remote(Box<RemoteWriter>),
}

impl BlobWriter {
    pub(crate) async fn on_disk(disk: Arc<Disk>) -> Result<Self, BlobError> {
        let to = To::Disk(DiskWriter::begin(disk).await?);
        Ok(Self { to, size: 0 })
    }

    pub(crate) fn on_remote(remote: Arc<Remote>) -> Self {
        let to = To::Remote(Box::new(RemoteWriter::begin(remote)));
        Self { to, size: 0 }
    }

    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a piece of any size. It may return before the piece is written; [`BlobWriter::finish`] tells. A writer
    /// one of whose writes failed or was cancelled answers [`BlobError::Interrupted`] from then on.
    pub async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        self.size += piece.len() as u64;
        match &mut self.to {
            To::Disk(writer) => writer.write(piece).await,
            To::Remote(writer) => writer.write(piece).await,
        }
    }

    /// Stores the blob; its name and size. Returns once it is durable.
    pub async fn finish(self) -> Result<(BlobId, u64), BlobError> {
        let id = match self.to {
            To::Disk(writer) => writer.finish().await?,
            To::Remote(writer) => writer.finish().await?,
        };
        Ok((id, self.size))
    }
}

impl std::fmt::Debug for BlobWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "BlobWriter after {} bytes", self.size)
    }
}
