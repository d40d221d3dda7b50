//! Content-addressed bytes: function code, layers, objects and whatever else is too large for the store.
//!
//! A blob is named by the SHA-256 of its content ([`BlobId`]), so writing the same bytes twice keeps one copy, and a
//! name can never mean other bytes. Versions, conditions and metadata live in the store, beside the name.
//!
//! ```
//! # let dir = tempfile::tempdir().unwrap();
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! use danbi_blobs::Blobs;
//! let blobs = Blobs::open(dir.path()).await?;
//! let id = blobs.put("some bytes").await?;
//! assert_eq!(blobs.get(&id).await?, "some bytes");
//! # Ok::<_, danbi_blobs::BlobError>(())
//! # }).unwrap();
//! ```
//!
//! # Promises
//! - A `put` that returned survives a crash: the file, its name and the folder of the name are synced before.
//! - A reader gets the bytes that were written or an error: whole reads are checked before they return
//!   ([`Blobs::get`]), streams before their end ([`Blobs::open_blob`]). Ranges ([`Blobs::open_range`]) are for callers
//!   whose bytes carry their own proof.
//! - Streams take constant memory in both directions; a `put` that is dropped or killed leaves nothing that counts,
//!   and the next [`Blobs::open`] sweeps it away.
//! - Garbage collection ([`Blobs::collect`]) never removes a blob that was put, or put again, within the grace period.
//! - No call blocks the async runtime.
//!
//! # Never
//! - It hands out no paths, and knows nothing of what the bytes mean.
//! - It never relies on a conditional write, so that any object store can stand behind the same type.

mod disk;
mod id;
mod read;
mod remote;
mod write;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use disk::{Disk, FilePieces};
use remote::{Remote, RemoteReader, RemoteWriter};

pub use id::{BlobId, BlobIdError};
pub use read::BlobReader;
pub use write::BlobWriter;

/// Bytes handed on at a time by streams.
pub const CHUNK_BYTES: usize = 256 << 10;
/// Largest blob that [`Blobs::get`] reads whole; larger ones are streamed.
pub const MAX_WHOLE_BYTES: u64 = 1 << 30;

/// What a garbage collection did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Blobs that nobody refers to and that were removed.
    pub removed: u64,
    /// Blobs that stay: referred to, or within the grace period.
    pub kept: u64,
}

/// Why a blob could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no such blob.
    #[error("there is no blob {0}")]
    NotFound(BlobId),
    /// The bytes on disk are not those of that name. Restore the blob from a backup, or put it again.
    #[error("blob {0} is damaged: its bytes do not match its name")]
    Damaged(BlobId),
    /// The blob is larger than [`MAX_WHOLE_BYTES`] and can only be streamed.
    #[error("blob {id} has {bytes} bytes, too many to read whole")]
    TooLarge {
        /// The blob.
        id: BlobId,
        /// Its size.
        bytes: u64,
    },
    /// The stream that was to be stored broke off; nothing was stored.
    #[error("the bytes to be stored broke off: {0}")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Whether a blob is still referred to could not be found out; nothing more was removed.
    #[error("cannot tell which blobs are in use: {0}")]
    References(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A [`BlobWriter`] was used after one of its writes had failed or been cancelled; nothing was stored.
    #[error("an earlier write of this blob failed or was cancelled")]
    Interrupted,
    /// A blob took longer than this to be written to a remote; nothing was stored.
    #[error("the blob was not written within {} h", .0.as_secs() / 3600)]
    TooSlow(Duration),
    /// The address of a remote cannot be used.
    #[error("cannot keep blobs at {url}: {why}")]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The folder or the bucket cannot be read or written: unusable path, missing rights, full disk, no network.
    #[error("the blobs at {} cannot be used: {source}", path.display())]
    Io {
        /// What was being touched.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The blobs: a cheap handle.
#[derive(Debug, Clone)]
pub struct Blobs {
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Disk(Arc<Disk>),
    Remote(Arc<Remote>),
}

impl Blobs {
    /// Opens (or creates) the blobs in `dir` and removes what interrupted writes left there. One process at a time may
    /// have a folder open; the store's lock on the data folder sees to that.
    pub async fn open(dir: &Path) -> Result<Self, BlobError> {
        let dir = dir.to_path_buf();
        let disk = disk::blocking(move || Disk::open(&dir)).await?;
        Ok(Self {
            place: Place::Disk(Arc::new(disk)),
        })
    }

    /// Opens the blobs in a bucket of any S3, or below a prefix in it: `s3://BUCKET/PREFIX`. Endpoint, region and
    /// credentials come from the environment variables that the AWS tools know (`AWS_ENDPOINT_URL_S3`,
    /// `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; without keys,
    /// web identity and the machine's role). The bucket must exist. Any number of processes may have it open; their
    /// clocks and the remote's must agree far better than the grace of collections.
    pub async fn open_remote(url: &str) -> Result<Self, BlobError> {
        let remote = Remote::open(url).await?;
        Ok(Self {
            place: Place::Remote(Arc::new(remote)),
        })
    }

    /// Stores `bytes`. Returns once they are durable.
    pub async fn put(&self, bytes: impl Into<Bytes>) -> Result<BlobId, BlobError> {
        let bytes = bytes.into();
        match &self.place {
            Place::Disk(disk) => {
                let disk = Arc::clone(disk);
                disk::blocking(move || {
                    let mut file = disk.begin()?;
                    file.write(&bytes)?;
                    file.finish()
                })
                .await
            }
            Place::Remote(remote) => {
                let mut writer = RemoteWriter::begin(Arc::clone(remote));
                writer.write(bytes).await?;
                writer.finish().await
            }
        }
    }

    /// Stores what `stream` yields, in constant memory. Returns once it is durable; an error in the stream stores
    /// nothing.
    pub async fn put_stream<S, E>(&self, mut stream: S) -> Result<(BlobId, u64), BlobError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut writer = self.writer().await?;
        while let Some(chunk) = stream.next().await {
            writer
                .write(chunk.map_err(|error| BlobError::Source(error.into()))?)
                .await?;
        }
        writer.finish().await
    }

    /// Stores bytes piece by piece, for callers that have no stream.
    pub async fn writer(&self) -> Result<BlobWriter, BlobError> {
        match &self.place {
            Place::Disk(disk) => BlobWriter::on_disk(Arc::clone(disk)).await,
            Place::Remote(remote) => Ok(BlobWriter::on_remote(Arc::clone(remote))),
        }
    }

    /// The whole blob, checked.
    pub async fn get(&self, id: &BlobId) -> Result<Bytes, BlobError> {
        match &self.place {
            Place::Disk(disk) => {
                let (disk, id) = (Arc::clone(disk), *id);
                disk::blocking(move || disk.read_whole(&id)).await
            }
            Place::Remote(remote) => {
                BlobReader::of_remote(RemoteReader::whole(remote, *id).await?)
                    .whole(*id)
                    .await
            }
        }
    }

    /// The blob piece by piece. The last piece comes only if all of them match the name.
    pub async fn open_blob(&self, id: &BlobId) -> Result<BlobReader, BlobError> {
        match &self.place {
            Place::Disk(disk) => {
                let (disk, id) = (Arc::clone(disk), *id);
                Ok(BlobReader::of_file(
                    disk::blocking(move || FilePieces::whole(&disk, id)).await?,
                ))
            }
            Place::Remote(remote) => Ok(BlobReader::of_remote(RemoteReader::whole(remote, *id).await?)),
        }
    }

    /// The bytes `range` of a blob piece by piece, without reading the rest. They are **not** checked against the name,
    /// which only the whole blob can be: this is for bytes that carry their own proof, such as authenticated
    /// ciphertext. A range that does not lie within the blob is [`BlobError::Damaged`]: whoever knows the range knows
    /// the size that was written.
    pub async fn open_range(&self, id: &BlobId, range: Range<u64>) -> Result<BlobReader, BlobError> {
        match &self.place {
            Place::Disk(disk) => {
                let (disk, id) = (Arc::clone(disk), *id);
                Ok(BlobReader::of_file(
                    disk::blocking(move || FilePieces::range(&disk, id, range)).await?,
                ))
            }
            Place::Remote(remote) => Ok(BlobReader::of_remote(RemoteReader::range(remote, *id, range).await?)),
        }
    }

    /// The size of a blob in bytes, or `None` when there is no such blob. Its content is not checked.
    pub async fn size(&self, id: &BlobId) -> Result<Option<u64>, BlobError> {
        match &self.place {
            Place::Disk(disk) => {
                let (disk, id) = (Arc::clone(disk), *id);
                disk::blocking(move || disk.size(&id)).await
            }
            Place::Remote(remote) => remote.size(id).await,
        }
    }

    /// Removes a blob, whoever may still refer to it; whether there was one. Readers that have it open on the local disk
    /// finish.
    pub async fn delete(&self, id: &BlobId) -> Result<bool, BlobError> {
        match &self.place {
            Place::Disk(disk) => {
                let (disk, id) = (Arc::clone(disk), *id);
                disk::blocking(move || disk.delete(&id, None)).await
            }
            Place::Remote(remote) => remote.delete(id).await,
        }
    }

    /// Every blob behind `after` in the order of names, at most `limit`; a page shorter than `limit` is the last.
    pub async fn list(&self, after: Option<&BlobId>, limit: usize) -> Result<Vec<BlobId>, BlobError> {
        match &self.place {
            Place::Disk(disk) => {
                let (disk, after) = (Arc::clone(disk), after.copied());
                disk::blocking(move || disk.list(after.as_ref(), limit)).await
            }
            Place::Remote(remote) => remote.list(after, limit).await,
        }
    }

    /// Removes the blobs for which `is_referenced` answers no and that were last put more than `grace` ago.
    ///
    /// `grace` must be longer than any caller waits between `put` and the commit that refers to the blob, and than any
    /// reader reads: the putting of a blob that is there already renews its age, so a blob is never taken from under
    /// such a caller. Can be stopped or killed at any point; what it removed was garbage.
    pub async fn collect<F, Fut, E>(&self, grace: Duration, is_referenced: F) -> Result<Collected, BlobError>
    where
        F: Fn(BlobId) -> Fut,
        Fut: Future<Output = Result<bool, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match &self.place {
            Place::Disk(disk) => disk::collect(disk, grace, is_referenced).await,
            Place::Remote(remote) => remote::collect(remote, grace, is_referenced).await,
        }
    }
}
