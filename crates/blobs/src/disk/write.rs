//! A blob on its way to the local disk. While one piece is written and hashed on a thread that may block, the caller
//! already fetches the next.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use super::{Disk, Draft, blocking, joined};
use crate::{BlobError, BlobId, CHUNK_BYTES};

pub(crate) struct DiskWriter {
    state: State,
    /// Small pieces gather here, so that each trip to the disk is worth it.
    gathered: BytesMut,
}

enum State {
    Idle(Draft),
    /// A piece is being written.
    Busy(JoinHandle<Result<Draft, BlobError>>),
    /// An earlier write failed or was cancelled.
    Broken,
}

impl DiskWriter {
    pub(crate) async fn begin(disk: Arc<Disk>) -> Result<Self, BlobError> {
        Ok(Self {
            state: State::Idle(blocking(move || disk.begin()).await?),
            gathered: BytesMut::new(),
        })
    }

    pub(crate) async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        if self.gathered.len() + piece.len() < CHUNK_BYTES {
            self.gathered.extend_from_slice(&piece);
            return Ok(());
        }
        self.pour(piece).await
    }

    pub(crate) async fn finish(mut self) -> Result<BlobId, BlobError> {
        if !self.gathered.is_empty() {
            self.pour(Bytes::new()).await?;
        }
        let draft = self.settle().await?;
        blocking(move || draft.finish()).await
    }

    async fn pour(&mut self, piece: Bytes) -> Result<(), BlobError> {
        let mut draft = self.settle().await?;
        let gathered = self.gathered.split().freeze();
        self.state = State::Busy(tokio::task::spawn_blocking(move || {
            draft.write(&gathered)?;
            draft.write(&piece)?;
            Ok(draft)
        }));
        Ok(())
    }

    /// Waits until the piece before is written. Cancelled in here, the writer is broken: the caller's piece is lost.
    async fn settle(&mut self) -> Result<Draft, BlobError> {
        match std::mem::replace(&mut self.state, State::Broken) {
            State::Idle(draft) => Ok(draft),
            State::Busy(writing) => joined(writing.await),
            State::Broken => Err(BlobError::Interrupted),
        }
    }
}

impl Drop for DiskWriter {
    fn drop(&mut self) {
        // Removing a large file takes a while: not on a thread of the runtime, as long as there is one. A draft that is
        // busy is dropped by the thread that writes it.
        if let (State::Idle(draft), Ok(runtime)) = (
            std::mem::replace(&mut self.state, State::Broken),
            tokio::runtime::Handle::try_current(),
        ) {
            runtime.spawn_blocking(move || drop(draft));
        }
    }
}
