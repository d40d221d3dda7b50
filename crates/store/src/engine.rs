use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Direction, KeyRange, Page, StoreError};

/// What keeps the data: the embedded engine, or an adapter to a distributed one.
///
/// It asks for no more than PostgreSQL (one table, `SERIALIZABLE`) or FoundationDB give: snapshot reads, and a commit
/// that happens only if nothing read since the snapshot has changed. Every engine passes `tests/conformance`.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// A consistent view of everything committed before the call.
    async fn snapshot(&self) -> Result<Arc<dyn EngineSnapshot>, StoreError>;

    /// Applies all of `commit.writes`, or nothing and [`StoreError::Conflict`] when a commit newer than
    /// `commit.read_version` wrote into one of `commit.reads`. The order of commits is the order of versions.
    async fn commit(&self, commit: Commit) -> Result<(), StoreError>;

    /// Finishes what was accepted, makes it durable and lets go of the data. Later calls fail with
    /// [`StoreError::Closed`]. Calling it again does nothing.
    async fn close(&self);
}

/// A consistent view of an [`Engine`].
#[async_trait]
pub trait EngineSnapshot: Send + Sync {
    /// The version of the newest commit that the view holds.
    fn version(&self) -> u64;

    /// The value of `key`.
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// Up to `limit` entries of `range`, and at most about [`crate::MAX_PAGE_BYTES`].
    async fn scan(&self, range: &KeyRange, direction: Direction, limit: usize) -> Result<Page, StoreError>;
}

/// A transaction to be committed.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The version of the snapshot that the transaction read from.
    pub read_version: u64,
    /// What the transaction read; a point read is the range of one key.
    pub reads: Vec<KeyRange>,
    /// What it writes.
    pub writes: Writes,
    /// When the commit is acknowledged.
    pub durability: Durability,
}

/// The writes of a transaction: first the ranges are cleared, then the points are written.
#[derive(Debug, Clone, Default)]
pub struct Writes {
    /// Ranges to clear.
    pub cleared: Vec<KeyRange>,
    /// Keys to set, or to delete where there is no value.
    pub points: BTreeMap<Bytes, Option<Bytes>>,
}

impl Writes {
    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.cleared.is_empty() && self.points.is_empty()
    }

    /// Bytes in keys, values and bounds.
    pub fn size(&self) -> usize {
        let points = self
            .points
            .iter()
            .map(|(key, value)| key.len() + value.as_ref().map_or(0, Bytes::len));
        points.sum::<usize>() + self.cleared.iter().map(KeyRange::size).sum::<usize>()
    }
}

/// When a commit is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Once it is on disk.
    Durable,
    /// Once it is ordered and visible; on disk soon after, and never before an earlier commit is.
    Relaxed,
}
