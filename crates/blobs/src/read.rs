use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;

use crate::disk::{Disk, FilePieces, blocking};
use crate::{BlobError, BlobId};

/// A blob that is being read in pieces of at most [`crate::CHUNK_BYTES`].
pub struct BlobReader {
    /// Away while a piece is being read; for good when that was cancelled or failed.
    file: Option<FilePieces>,
    size: u64,
}

impl BlobReader {
    pub(crate) async fn open(disk: Arc<Disk>, id: BlobId) -> Result<Self, BlobError> {
        Ok(Self::of(blocking(move || FilePieces::whole(&disk, id)).await?))
    }

    pub(crate) async fn open_range(disk: Arc<Disk>, id: BlobId, range: Range<u64>) -> Result<Self, BlobError> {
        Ok(Self::of(blocking(move || FilePieces::range(&disk, id, range)).await?))
    }

    fn of(file: FilePieces) -> Self {
        Self {
            size: file.left(),
            file: Some(file),
        }
    }

    /// Bytes that this reader gives in all: the size of the blob, or of the range that was asked for.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next piece, or `None` when all was read (and, of a whole blob, found to match the name). After an error, or when a call was
    /// cancelled, it answers [`BlobError::Interrupted`]: what was read must not be taken for the blob.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BlobError> {
        let mut file = self.file.take().ok_or(BlobError::Interrupted)?;
        let (file, chunk) = blocking(move || {
            let chunk = file.next()?;
            Ok((file, chunk))
        })
        .await?;
        self.file = Some(file);
        Ok(chunk)
    }

    /// The pieces as a stream, which ends after the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, BlobError>> + Send {
        futures_util::stream::try_unfold(self, |mut reader| async move {
            Ok(reader.chunk().await?.map(|chunk| (chunk, reader)))
        })
    }
}

impl std::fmt::Debug for BlobReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "BlobReader of {} bytes", self.size)
    }
}
