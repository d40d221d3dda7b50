use bytes::{Bytes, BytesMut};
use futures_util::Stream;

use crate::disk::{FilePieces, blocking};
use crate::remote::RemoteReader;
use crate::{BlobError, BlobId, MAX_WHOLE_BYTES};

/// A blob that is being read in pieces of at most [`crate::CHUNK_BYTES`].
pub struct BlobReader {
    from: From,
    size: u64,
}

enum From {
    /// Away while a piece is being read; for good when that was cancelled or failed.
    Disk(Option<FilePieces>),
    Remote(Box<RemoteReader>),
}

impl BlobReader {
    pub(crate) fn of_file(file: FilePieces) -> Self {
        Self {
            size: file.left(),
            from: From::Disk(Some(file)),
        }
    }

    pub(crate) fn of_remote(remote: RemoteReader) -> Self {
        Self {
            size: remote.left(),
            from: From::Remote(Box::new(remote)),
        }
    }

    /// Bytes that this reader gives in all: the size of the blob, or of the range that was asked for.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next piece, or `None` when all was read (and, of a whole blob, found to match the name). After an error, or
    /// when a call was cancelled, it answers [`BlobError::Interrupted`]: what was read must not be taken for the blob.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BlobError> {
        match &mut self.from {
            From::Disk(file) => {
                let mut reading = file.take().ok_or(BlobError::Interrupted)?;
                let (read, chunk) = blocking(move || {
                    let chunk = reading.next()?;
                    Ok((reading, chunk))
                })
                .await?;
                *file = Some(read);
                Ok(chunk)
            }
            From::Remote(remote) => remote.next().await,
        }
    }

    /// All of it at once.
    pub(crate) async fn whole(mut self, id: BlobId) -> Result<Bytes, BlobError> {
        if self.size > MAX_WHOLE_BYTES {
            return Err(BlobError::TooLarge { id, bytes: self.size });
        }
        let mut content = BytesMut::with_capacity(self.size as usize);
        while let Some(chunk) = self.chunk().await? {
            content.extend_from_slice(&chunk);
        }
        Ok(content.freeze())
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
