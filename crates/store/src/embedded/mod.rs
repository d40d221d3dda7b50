//! The engine in this process: one folder, one committing thread with a log of its own, data in a log-structured merge tree.
//!
//! A group of commits is one record of the log and one fsync; then it enters the tree's memory, is published to readers
//! and acknowledged. When a log segment is full, the memory it covers becomes a table and the segment is used again.
//!
//! Reads run on the caller's thread: most find their data in memory, and a page of a scan is bounded. Only commits
//! wait for the disk, and they wait asynchronously.

mod committer;
mod folder;
mod history;
mod log;
mod tree;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use std::sync::Arc;

use crate::engine::{Commit, Engine, EngineSnapshot};
use crate::{COMMIT_TIMEOUT, StoreError};
use committer::Committer;
use folder::Folder;
use log::{Log, Recovered};
use tree::Tree;

/// How the embedded engine behaves.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// How long a relaxed commit may stay undurable; default 200 ms.
    pub relaxed_flush: Duration,
    /// Bytes of blocks kept in memory for reads; default 8 MiB.
    pub cache_bytes: u64,
    /// Bytes of writes kept in memory, and in a log segment, before they become a table; default 8 MiB. Recovery after
    /// a crash reads about this much.
    pub memory_bytes: u64,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            relaxed_flush: Duration::from_millis(200),
            cache_bytes: 8 << 20,
            memory_bytes: 8 << 20,
        }
    }
}

pub(crate) struct Embedded {
    committer: Committer,
}

pub(crate) fn open(dir: &Path, options: EmbeddedOptions) -> Result<Embedded, StoreError> {
    let folder = Folder::open(dir)?;
    recover(dir, folder, &options).map_err(|error| match error {
        StoreError::Io(source) => StoreError::Folder {
            dir: dir.to_path_buf(),
            source,
        },
        other => other,
    })
}

fn recover(dir: &Path, folder: Folder, options: &EmbeddedOptions) -> Result<Embedded, StoreError> {
    let log_dir = dir.join("log");
    let mut tree = Tree::open(&dir.join("tree"), &log_dir, options)?;
    let Recovered { log, segments } = Log::open(&log_dir, options.memory_bytes, |batch| tree.apply(batch))?;
    if !segments.is_empty() {
        tree.seal(segments).map_err(StoreError::Stopped)?;
    }
    Ok(Embedded {
        committer: Committer::start(tree, log, folder, options.relaxed_flush)?,
    })
}

#[async_trait]
impl Engine for Embedded {
    async fn snapshot(&self) -> Result<Arc<dyn EngineSnapshot>, StoreError> {
        Ok(self.committer.published()?)
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        let decided = tokio::time::timeout(COMMIT_TIMEOUT, async {
            // The sender is dropped without an answer only when the committing thread has failed.
            self.committer
                .submit(commit)
                .await?
                .await
                .unwrap_or(Err(StoreError::OutcomeUnknown))
        });
        decided.await.unwrap_or(Err(StoreError::OutcomeUnknown))
    }

    async fn close(&self) {
        self.committer.close().await;
    }
}
