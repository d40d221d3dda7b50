//! A blob from the remote, piece by piece.

use std::ops::Range;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::{GetOptions, GetRange, ObjectStore};
use sha2::{Digest, Sha256};

use super::{Copy, Remote, at};
use crate::{BlobError, BlobId, CHUNK_BYTES};

pub(crate) struct RemoteReader {
    id: BlobId,
    /// Away after an error.
    stream: Option<BoxStream<'static, object_store::Result<Bytes>>>,
    /// Came in, not given out yet.
    rest: Bytes,
    /// Of what was given out; `None` when only a range is read, which no name vouches for.
    hash: Option<Sha256>,
    left: u64,
}

impl RemoteReader {
    /// The whole blob, checked against its name.
    pub(crate) async fn whole(remote: &Remote, id: BlobId) -> Result<Self, BlobError> {
        Self::open(remote, id, None).await
    }

    /// A range of it, unchecked.
    pub(crate) async fn range(remote: &Remote, id: BlobId, range: Range<u64>) -> Result<Self, BlobError> {
        Self::open(remote, id, Some(range)).await
    }

    async fn open(remote: &Remote, id: BlobId, range: Option<Range<u64>>) -> Result<Self, BlobError> {
        let remembered = remote.find(&id).await?.ok_or(BlobError::NotFound(id))?;
        if let Some(reader) = Self::of_copy(remote, &remembered, range.clone()).await? {
            return Ok(reader);
        }
        // Another node has collected that copy: there may be a newer one.
        let newest = remote.look(&id).await?.ok_or(BlobError::NotFound(id))?;
        Self::of_copy(remote, &newest, range)
            .await?
            .ok_or(BlobError::NotFound(id))
    }

    async fn of_copy(remote: &Remote, copy: &Copy, range: Option<Range<u64>>) -> Result<Option<Self>, BlobError> {
        let hash = range.is_none().then(Sha256::new);
        let range = range.unwrap_or(0..copy.size);
        if range.end > copy.size || range.start > range.end || copy.size == 0 && copy.id != BlobId::of(b"") {
            return Err(BlobError::Damaged(copy.id));
        }
        let mut reader = Self {
            id: copy.id,
            stream: Some(futures_util::stream::empty().boxed()),
            rest: Bytes::new(),
            hash,
            left: range.end - range.start,
        };
        if reader.left > 0 {
            let path = remote.bytes_of(copy);
            let part = (reader.hash.is_none()).then(|| GetRange::Bounded(range.clone()));
            let options = GetOptions {
                range: part,
                ..GetOptions::default()
            };
            match remote.store.get_opts(&path, options).await {
                Ok(got) if got.range == range && got.meta.size == copy.size => reader.stream = Some(got.into_stream()),
                Ok(_) => return Err(BlobError::Damaged(copy.id)),
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(at(&path)(error)),
            }
        }
        Ok(Some(reader))
    }

    /// Bytes not read yet.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The next piece; `None` at the end. The last piece of a whole blob is given out only after the check.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, BlobError> {
        if self.left == 0 {
            return Ok(None);
        }
        let outcome = self.piece().await;
        if outcome.is_err() {
            self.stream = None;
        }
        outcome.map(Some)
    }

    async fn piece(&mut self) -> Result<Bytes, BlobError> {
        let stream = self.stream.as_mut().ok_or(BlobError::Interrupted)?;
        while self.rest.is_empty() {
            let piece = stream.next().await.ok_or(BlobError::Damaged(self.id))?;
            self.rest = piece.map_err(at(&self.id.to_string().into()))?;
        }
        let piece = self.rest.split_to(self.rest.len().min(CHUNK_BYTES));
        self.left = self
            .left
            .checked_sub(piece.len() as u64)
            .ok_or(BlobError::Damaged(self.id))?;
        if let Some(hash) = &mut self.hash {
            hash.update(&piece);
            if self.left == 0 && BlobId::from_bytes(hash.clone().finalize().into()) != self.id {
                return Err(BlobError::Damaged(self.id));
            }
        }
        Ok(piece)
    }
}
