//! How many items a table and its indexes hold, and how large they are.
//!
//! A counter that every write changed would put all writes of a table in one line. So writes count in memory, after
//! their commit, and the sums are stored every few seconds, one value a node. A crash loses the last of them, for good;
//! only a restore or an import counts anew. DynamoDB's own figures are up to six hours old.

use super::catalog::TableRef;
use super::record::TableRecord;
use crate::keys::{IndexId, TableId};
use crate::{DynamoDb, Error, layout};
use danbi_store::{Direction, Transaction};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Items, and the bytes that DynamoDB counts for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Count {
    /// How many.
    pub items: i64,
    /// How large.
    pub bytes: i64,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.items += other.items;
        self.bytes += other.bytes;
    }

    /// A count that is shown is not negative, whatever was lost or counted twice on the way.
    fn shown(self) -> Self {
        Self {
            items: self.items.max(0),
            bytes: self.bytes.max(0),
        }
    }
}

/// The counts of a table and of its indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Of the table.
    pub table: Count,
    /// Of its indexes, by number.
    indexes: BTreeMap<IndexId, Count>,
}

impl Counts {
    /// The count of an index.
    pub(crate) fn index(&self, id: IndexId) -> Count {
        self.indexes.get(&id).copied().unwrap_or_default()
    }

    /// Counts that an item took the place of another; with sizes in bytes, of those that there were.
    pub(crate) fn replace(&mut self, before: Option<usize>, after: Option<usize>) {
        self.table.add(difference(before, after));
    }

    /// The same for an entry of an index.
    pub(crate) fn replace_index(&mut self, id: IndexId, before: Option<usize>, after: Option<usize>) {
        if before != after {
            self.indexes.entry(id).or_default().add(difference(before, after));
        }
    }

    fn add(&mut self, other: &Self) {
        self.table.add(other.table);
        for (&id, &count) in &other.indexes {
            self.indexes.entry(id).or_default().add(count);
        }
    }

    fn shown(mut self) -> Self {
        self.table = self.table.shown();
        self.indexes.values_mut().for_each(|count| *count = count.shown());
        self
    }
}

fn difference(before: Option<usize>, after: Option<usize>) -> Count {
    // Items have at most 400 KB.
    let bytes = |size: Option<usize>| size.unwrap_or(0) as i64;
    Count {
        items: i64::from(after.is_some()) - i64::from(before.is_some()),
        bytes: bytes(after) - bytes(before),
    }
}

/// What was counted and is not stored yet.
#[derive(Debug)]
pub(crate) struct UsageSums {
    /// Names this process among those that count.
    node: u64,
    waiting: Mutex<HashMap<TableId, Counts>>,
}

impl Default for UsageSums {
    fn default() -> Self {
        Self {
            node: uuid::Uuid::new_v4().as_u64_pair().0,
            waiting: Mutex::default(),
        }
    }
}

impl UsageSums {
    /// Counts what a commit changed.
    pub(crate) fn add(&self, table: TableId, counts: &Counts) {
        self.lock().entry(table).or_default().add(counts);
    }

    /// Drops what was counted of a table that is gone.
    pub(crate) fn forget(&self, table: TableId) {
        self.lock().remove(&table);
    }

    fn of(&self, table: TableId) -> Counts {
        self.lock().get(&table).cloned().unwrap_or_default()
    }

    fn take(&self) -> HashMap<TableId, Counts> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TableId, Counts>> {
        // A panic elsewhere leaves sums behind that are whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stores counts as what a table holds now, in place of all that was summed up before.
pub(crate) async fn set(tx: &Transaction, table: TableId, counts: &Counts) -> Result<(), Error> {
    tx.delete_range(layout::usages(table))?;
    tx.put(
        &layout::usage(table, 0),
        serde_json::to_vec(counts).map_err(Error::internal)?,
    )?;
    Ok(())
}

impl DynamoDb {
    /// What the table holds, as far as is known.
    pub(crate) async fn counts(&self, table: &TableRecord) -> Result<Counts, Error> {
        let snapshot = self.store.snapshot().await?;
        let mut counts = self.usage.of(table.id);
        let mut range = layout::usages(table.id);
        loop {
            let page = snapshot.scan(range.clone(), Direction::Forward, 100).await?;
            for (_, value) in &page.entries {
                counts.add(&serde_json::from_slice(value).map_err(Error::internal)?);
            }
            match page.entries.last() {
                Some((last, _)) if page.more => range = range.after(last),
                _ => return Ok(counts.shown()),
            }
        }
    }

    /// What the table of this name holds, if there is one.
    pub(crate) async fn counts_of(&self, table: &TableRef) -> Result<Option<Counts>, Error> {
        let snapshot = self.store.snapshot().await?;
        match self.catalog.find_in(&snapshot, table).await? {
            Some(record) => Ok(Some(self.counts(&record).await?)),
            None => Ok(None),
        }
    }

    /// Stores what was counted since the last time.
    pub(crate) async fn store_usage(&self) -> Result<(), Error> {
        let node = self.usage.node;
        for (table, counted) in self.usage.take() {
            let key = layout::usage(table, node);
            let stored = self
                .store
                .transact_relaxed(async |tx| {
                    let mut sum: Counts = match tx.get(&key).await? {
                        Some(value) => serde_json::from_slice(&value).map_err(Error::internal)?,
                        None => Counts::default(),
                    };
                    sum.add(&counted);
                    tx.put(&key, serde_json::to_vec(&sum).map_err(Error::internal)?)?;
                    Ok::<_, Error>(())
                })
                .await;
            if let Err(error) = stored {
                self.usage.add(table, &counted);
                return Err(error);
            }
        }
        Ok(())
    }
}
