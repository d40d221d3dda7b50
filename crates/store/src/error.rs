use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the store did not do what it was asked.
///
/// After any error from a commit except [`StoreError::OutcomeUnknown`], [`StoreError::Stopped`] and
/// [`StoreError::Io`], nothing of the transaction was written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Something the transaction read was changed by another one before it could commit. [`crate::Store::transact`]
    /// runs the closure again; a caller sees this only from [`crate::Engine::commit`].
    #[error("the transaction conflicts with one that committed after it began")]
    Conflict,
    /// The snapshot is older than the engine remembers. Retried like [`StoreError::Conflict`].
    #[error("the snapshot is too old to be read from or committed against")]
    SnapshotTooOld,
    /// The closure met a conflict on every allowed attempt.
    #[error("the transaction met a conflict {attempts} times in a row and was given up")]
    Contention {
        /// How often the closure ran.
        attempts: u32,
    },
    /// A key must be 1 to [`crate::MAX_KEY_BYTES`] bytes.
    #[error("a key of {len} bytes: keys have 1 to {max} bytes", max = crate::MAX_KEY_BYTES)]
    KeyLength {
        /// Bytes in the refused key.
        len: usize,
    },
    /// A value must be at most [`crate::MAX_VALUE_BYTES`] bytes; larger ones belong into blobs.
    #[error("a value of {len} bytes: values have at most {max} bytes", max = crate::MAX_VALUE_BYTES)]
    ValueLength {
        /// Bytes in the refused value.
        len: usize,
    },
    /// Keys, values and recorded reads of a transaction must stay within [`crate::MAX_TRANSACTION_BYTES`].
    #[error("the transaction holds {bytes} bytes: at most {max} are allowed", max = crate::MAX_TRANSACTION_BYTES)]
    TransactionTooLarge {
        /// Bytes the transaction would have held.
        bytes: usize,
    },
    /// The transaction was open longer than [`crate::MAX_TRANSACTION_AGE`].
    #[error("the transaction was open for longer than {:?}", crate::MAX_TRANSACTION_AGE)]
    TransactionTooLong,
    /// The handle was used after the closure that received it had returned.
    #[error("the transaction is over: its handle was kept beyond the closure")]
    TransactionOver,
    /// The engine did not answer within [`crate::COMMIT_TIMEOUT`]; the transaction may or may not be committed.
    #[error("the commit was not confirmed in time: it may or may not have happened")]
    OutcomeUnknown,
    /// Another process, or another `Store` of this one, has the folder open.
    #[error("the data folder {} is in use by another process; stop that one first", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder was written by a later release.
    #[error("{} has store format {found}, this release reads up to {supported}: use a newer release", dir.display())]
    NewerFormat {
        /// The folder.
        dir: PathBuf,
        /// The format on disk.
        found: u32,
        /// The newest format this release knows.
        supported: u32,
    },
    /// The folder cannot be created, read or written.
    #[error("the data folder {} cannot be used: {source}", dir.display())]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The data on disk is not what was written. Nothing was changed; restore from a backup.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// A write or an fsync failed earlier, so nothing more is acknowledged until the store is opened again: after a
    /// failed fsync the system may have dropped the data while reporting later fsyncs as good.
    #[error("the store stopped after a failed write ({0}); free some space or repair the disk, then start again")]
    Stopped(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A read failed in the operating system.
    #[error("the store cannot read its data: {0}")]
    Io(Arc<io::Error>),
}

impl StoreError {
    /// Whether running the same transaction again can succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Conflict | Self::SnapshotTooOld)
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
