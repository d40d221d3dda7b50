use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;

use crate::disk::{CheckedFile, Disk, blocking};
use crate::{BlobError, BlobId};

/// A blob that is being read in pieces of at most [`crate::CHUNK_BYTES`].
pub struct BlobReader {
    /// Away while a piece is being read; for good when that was cancelled or failed.
    file: Option<CheckedFile>,
    size: u64,
}

impl BlobReader {
    pub(crate) async fn open(disk: Arc<Disk>, id: BlobId) -> Result<Self, BlobError> {
        let file = blocking(move || CheckedFile::open(&disk, id)).await?;
        Ok(Self {
            size: file.left(),
            file: Some(file),
        })
    }

    /// The size of the whole blob in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next piece, or `None` when all was read and found to match the name. After an error, or when a call was
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
