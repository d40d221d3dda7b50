//! Removing many keys, a few at a time: the store keeps a tombstone for each.

use super::{Held, Job, KeyText};
use crate::{DynamoDb, Error};
use danbi_store::{Direction, KeyRange};
use serde::{Deserialize, Serialize};

/// Keys that one transaction removes.
const BATCH: usize = 2000;

/// Keys from `start` to before `end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Clear {
    start: KeyText,
    end: KeyText,
}

impl Clear {
    pub(super) fn new(range: KeyRange) -> Self {
        Self {
            start: KeyText::from(range.start().to_vec()),
            // A prefix of a table or stream always has an end.
            end: KeyText::from(range.end().map(|end| end.to_vec()).unwrap_or_default()),
        }
    }
}

impl DynamoDb {
    pub(super) async fn clear_step(&self, held: &Held, clear: &Clear) -> Result<Option<Job>, Error> {
        let range = KeyRange::new(clear.start.as_ref().to_vec(), clear.end.as_ref().to_vec());
        let snapshot = self.store.snapshot().await?;
        let page = snapshot.scan(range, Direction::Forward, BATCH).await?;
        // Nothing is added here any more, so no read needs to be remembered.
        let keys: Vec<_> = page.entries.iter().map(|(key, _)| key.clone()).collect();
        let next = page.more.then(|| Job::Clear(clear.clone()));
        self.store
            .transact_relaxed(async |tx| {
                for key in &keys {
                    tx.delete(key)?;
                }
                self.advance(&tx, held, next.as_ref()).await
            })
            .await?;
        Ok(next)
    }
}
