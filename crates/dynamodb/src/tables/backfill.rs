//! Fills a global index that was added to a table with items.
//!
//! From the commit on that added the index, every write maintains it: a write that began before conflicts on the
//! table's record and runs again. So what is missing are the items from before, each of which is read again, in the
//! transaction that writes its entry: an item that somebody changes at the same time is not written twice, and one that
//! is deleted is not brought back.

use super::catalog::TableRef;
use super::record::{IndexState, TableRecord};
use crate::items::view::View;
use crate::items::{index, key, stored};
use crate::jobs::{Held, Job, KeyText};
use crate::keys::{self, IndexId, Space, TableId};
use crate::tables::usage::Counts;
use crate::{DynamoDb, Error};
use danbi_core::Scope;
use danbi_store::{Direction, KeyRange, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Items that one transaction looks at, and at how many after it met too many conflicts.
const BATCH: usize = 100;
const SMALL_BATCH: usize = 5;

/// A table by its place and its id: when the two do not meet any more, the table is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    account: String,
    region: String,
    name: String,
    /// The table that is meant.
    pub id: TableId,
}

impl Target {
    pub(crate) fn of(table: &TableRecord) -> Self {
        Self {
            account: table.scope.account.to_string(),
            region: table.scope.region.to_string(),
            name: table.name.clone(),
            id: table.id,
        }
    }

    pub(crate) fn table(&self) -> Result<TableRef, Error> {
        Ok(TableRef {
            scope: Scope {
                account: self.account.parse().map_err(Error::internal)?,
                region: self.region.parse().map_err(Error::internal)?,
            },
            name: self.name.clone(),
        })
    }
}

/// An index to fill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FillIndex {
    /// Its table.
    pub target: Target,
    /// The index.
    pub index: IndexId,
    /// The last item that was looked at.
    pub after: Option<KeyText>,
}

/// The part of a space of a table that lies behind `after`.
pub(crate) fn rest_of(prefix: Vec<u8>, after: Option<&KeyText>) -> KeyRange {
    let range = KeyRange::prefix(prefix);
    match after {
        Some(after) => range.after(after.as_ref()),
        None => range,
    }
}

impl DynamoDb {
    /// The table that a job is about, unless it is gone.
    pub(crate) async fn target(&self, tx: &Transaction, target: &Target) -> Result<Option<Arc<TableRecord>>, Error> {
        let found = self.catalog.find(tx, &target.table()?).await?;
        Ok(found.filter(|table| table.id == target.id))
    }

    pub(crate) async fn fill_index_step(&self, held: &Held, fill: &FillIndex) -> Result<Option<Job>, Error> {
        match self.fill_index_batch(held, fill, BATCH).await {
            Err(Error::Store(StoreError::Contention { .. })) => self.fill_index_batch(held, fill, SMALL_BATCH).await,
            done => done,
        }
    }

    async fn fill_index_batch(&self, held: &Held, fill: &FillIndex, batch: usize) -> Result<Option<Job>, Error> {
        let range = rest_of(keys::space(fill.target.id, Space::Item, 0), fill.after.as_ref());
        let page = self
            .store
            .snapshot()
            .await?
            .scan(range, Direction::Forward, batch)
            .await?;
        let next = page.entries.last().filter(|_| page.more).map(|(last, _)| {
            Job::FillIndex(FillIndex {
                after: Some(KeyText::from(last.to_vec())),
                ..fill.clone()
            })
        });
        let (goes_on, counts) = self
            .store
            .transact(async |tx| {
                let mut counts = Counts::default();
                let table = self.target(&tx, &fill.target).await?;
                let known = table.as_ref().and_then(|table| {
                    let index = table.global_indexes.iter().find(|index| index.id == fill.index)?;
                    Some((table, index))
                });
                let Some((table, index)) = known else {
                    self.advance(&tx, held, None).await?;
                    return Ok((false, counts));
                };
                for (item_key, _) in &page.entries {
                    let Some(stored) = stored::get(View::Transaction(&tx), item_key).await? else {
                        continue;
                    };
                    let item = stored.item()?;
                    let item_key = key::item_key(table, &item)?;
                    if let Some(entry) = index::entry(table, index, &item_key, &item)
                        && tx.get(&entry.key).await?.is_none()
                    {
                        counts.replace_index(index.id, None, Some(entry.size));
                        tx.put(&entry.key, entry.value)?;
                    }
                }
                if next.is_none() {
                    let mut filled = TableRecord::clone(table);
                    for index in filled.global_indexes.iter_mut().filter(|index| index.id == fill.index) {
                        index.state = IndexState::Active;
                    }
                    self.catalog.put(&tx, filled)?;
                }
                self.advance(&tx, held, next.as_ref()).await?;
                Ok::<_, Error>((true, counts))
            })
            .await?;
        self.usage.add(fill.target.id, &counts);
        Ok(next.filter(|_| goes_on))
    }
}
