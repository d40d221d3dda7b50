use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::{Direction, EngineSnapshot, KeyRange, MAX_SNAPSHOT_AGE, Page, StoreError};

/// A consistent view of the store that no later commit changes.
///
/// Take one for each request, not one for a long listing: it can be read from for [`MAX_SNAPSHOT_AGE`].
#[derive(Debug, Clone)]
pub struct Snapshot {
    view: Arc<dyn EngineSnapshot>,
    taken: Instant,
}

impl Snapshot {
    pub(crate) fn new(view: Arc<dyn EngineSnapshot>) -> Self {
        Self {
            view,
            taken: Instant::now(),
        }
    }

    /// The value of `key`.
    pub async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.fresh()?;
        self.view.get(key).await
    }

    /// Up to `limit` entries of `range`; a page may be shorter, see [`Page::more`].
    pub async fn scan(&self, range: KeyRange, direction: Direction, limit: usize) -> Result<Page, StoreError> {
        self.fresh()?;
        self.view.scan(&range, direction, limit).await
    }

    fn fresh(&self) -> Result<(), StoreError> {
        if self.taken.elapsed() > MAX_SNAPSHOT_AGE {
            Err(StoreError::SnapshotTooOld)
        } else {
            Ok(())
        }
    }
}
