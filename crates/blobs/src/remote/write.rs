//! A blob on its way to the remote: in one request when it is small, else in parts that are sent while more comes in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use super::{Copy, Remote, at};
use crate::{BlobError, BlobId, CHUNK_BYTES};

/// Bytes of a part, and the largest blob that is sent in one request. S3 asks for at least 5 MiB.
pub(super) const PART_BYTES: usize = 8 << 20;
/// After so many parts the next ones are twice as large: an upload has 10,000 parts at most, an object 5 TiB.
const PARTS_OF_A_SIZE: u32 = 1_000;
/// Parts on their way at a time.
const PARTS_AT_ONCE: usize = 3;
/// A writer may live so long: a collector takes what was sent for ever longer ago and never finished for abandoned.
pub(super) const LONGEST_WRITE: Duration = Duration::from_secs(24 * 3600);

pub(crate) struct RemoteWriter {
    remote: Arc<Remote>,
    name: String,
    hash: Sha256,
    size: u64,
    begun: Instant,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    upload: Option<Upload>,
    /// A write failed or was cancelled.
    broken: bool,
}

struct Upload {
    parts: Box<dyn MultipartUpload>,
    count: u32,
    path: Path,
    /// Ended by force when the upload is dropped.
    sending: JoinSet<object_store::Result<()>>,
}

impl RemoteWriter {
    pub(crate) fn begin(remote: Arc<Remote>) -> Self {
        Self {
            remote,
            name: uuid::Uuid::new_v4().simple().to_string(),
            hash: Sha256::new(),
            size: 0,
            begun: Instant::now(),
            gathered: Vec::new(),
            gathered_bytes: 0,
            upload: None,
            broken: false,
        }
    }

    pub(crate) async fn write(&mut self, mut piece: Bytes) -> Result<(), BlobError> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(BlobError::Interrupted);
        }
        while !piece.is_empty() {
            let room = (self.part_bytes() - self.gathered_bytes)
                .min(CHUNK_BYTES)
                .min(piece.len());
            let taken = piece.split_to(room);
            self.hash.update(&taken);
            self.size += taken.len() as u64;
            self.gathered_bytes += taken.len();
            self.gathered.push(taken);
            if self.gathered_bytes == self.part_bytes() {
                self.send_part().await?;
            } else if !piece.is_empty() {
                // Hashing a large piece takes a while.
                tokio::task::yield_now().await;
            }
        }
        self.broken = false;
        Ok(())
    }

    pub(crate) async fn finish(mut self) -> Result<BlobId, BlobError> {
        if self.broken {
            return Err(BlobError::Interrupted);
        }
        let id = BlobId::from_bytes(self.hash.clone().finalize().into());
        let copy = Copy {
            id,
            name: self.name.clone(),
            size: self.size,
            apart: self.upload.is_some(),
        };
        if copy.apart {
            if self.gathered_bytes > 0 {
                self.send_part().await?;
            }
            self.complete().await?;
        }
        // Of a large blob this is the empty object that leads to it, and only now it counts.
        let place = self.remote.place(&copy);
        let content: PutPayload = std::mem::take(&mut self.gathered).into_iter().collect();
        self.remote.store.put(&place, content).await.map_err(at(&place))?;
        self.remote.remember(copy);
        Ok(id)
    }

    fn part_bytes(&self) -> usize {
        let sent = self.upload.as_ref().map_or(0, |upload| upload.count);
        PART_BYTES << (sent / PARTS_OF_A_SIZE).min(9)
    }

    async fn send_part(&mut self) -> Result<(), BlobError> {
        if self.upload.is_none() {
            let path = self.remote.path(&format!("data/{}", self.name));
            let parts = self.remote.store.put_multipart(&path).await.map_err(at(&path))?;
            self.upload = Some(Upload {
                parts,
                count: 0,
                path,
                sending: JoinSet::new(),
            });
        }
        let Some(upload) = &mut self.upload else {
            return Err(BlobError::Interrupted);
        };
        while upload.sending.len() >= PARTS_AT_ONCE {
            upload.one_sent().await?;
        }
        self.gathered_bytes = 0;
        let part: PutPayload = std::mem::take(&mut self.gathered).into_iter().collect();
        upload.count += 1;
        let sent = upload.parts.put_part(part);
        upload.sending.spawn(sent);
        Ok(())
    }

    async fn complete(&mut self) -> Result<(), BlobError> {
        let Some(upload) = &mut self.upload else {
            return Err(BlobError::Interrupted);
        };
        while !upload.sending.is_empty() {
            upload.one_sent().await?;
        }
        if self.begun.elapsed() > LONGEST_WRITE {
            return Err(BlobError::TooSlow(LONGEST_WRITE));
        }
        upload.parts.complete().await.map_err(at(&upload.path))?;
        // Nothing is left to give up.
        self.upload = None;
        Ok(())
    }
}

impl Upload {
    async fn one_sent(&mut self) -> Result<(), BlobError> {
        match self.sending.join_next().await {
            None => Ok(()),
            Some(Ok(sent)) => sent.map_err(at(&self.path)),
            Some(Err(error)) => Err(BlobError::Io {
                path: self.path.as_ref().into(),
                source: std::io::Error::other(error),
            }),
        }
    }
}

impl Drop for RemoteWriter {
    fn drop(&mut self) {
        let Some(mut upload) = self.upload.take() else { return };
        // Where no runtime is left, the remote's own rule for unfinished uploads clears the parts away.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                upload.sending.shutdown().await;
                if let Err(error) = upload.parts.abort().await {
                    tracing::warn!(%error, "an unfinished upload of a blob could not be aborted");
                }
            });
        }
    }
}
