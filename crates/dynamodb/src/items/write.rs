//! One write of one item: what every operation that writes comes down to.

use super::capacity::Usage;
use super::key::{self, ItemKey};
use super::stored::{self, MAX_ITEM_BYTES};
use super::{index, view::View};
use crate::tables::catalog::TableRef;
use crate::tables::record::TableRecord;
use crate::{DynamoDb, Error, Item, item_size};
use danbi_store::Transaction;
use std::sync::Arc;

/// Whether an item is as it must be; asked of an empty item when there is none.
pub(crate) type Condition = Box<dyn Fn(&Item) -> Result<bool, Error> + Send + Sync>;
/// What becomes of an item; given its key alone when there is none.
pub(crate) type Edit = Box<dyn Fn(Item) -> Result<Item, Error> + Send + Sync>;

/// A write of one item.
pub(crate) struct Write {
    /// Where it is.
    pub table: TableRef,
    /// The table as the request names it: a name or an ARN.
    pub named: String,
    /// What happens to it.
    pub change: Change,
    /// What must hold before.
    pub condition: Option<Condition>,
    /// Whether a failed condition answers the item (`ReturnValuesOnConditionCheckFailure: ALL_OLD`).
    pub show_on_failure: bool,
    /// Whether the answer needs the item as it was.
    pub needs_old: bool,
}

/// What happens to an item.
pub(crate) enum Change {
    /// It is replaced.
    Put(Item),
    /// The item of this key goes.
    Delete(Item),
    /// The item of this key is edited, or made.
    Update {
        /// The key.
        key: Item,
        /// What becomes of it.
        edit: Edit,
        /// Bytes in the request's values, which count towards a transaction's size.
        payload: usize,
        /// Whether one is made when there is none: an update that only takes away makes none.
        creates: bool,
    },
    /// The item of this key must be as the condition says.
    Check(Item),
}

/// What a write did.
#[derive(Debug)]
pub(crate) struct Applied {
    /// The table as it was then.
    pub table: Arc<TableRecord>,
    /// The item before, when there was one and somebody needed it.
    pub old: Option<Item>,
    /// The item after an update.
    pub new: Option<Item>,
    /// The larger of what DynamoDB counts for the item before and after.
    pub size: usize,
    /// What it is charged.
    pub usage: Usage,
}

impl Write {
    /// Checks the key against the table; where the item lies.
    pub(crate) fn locate(&self, table: &TableRecord) -> Result<ItemKey, Error> {
        match &self.change {
            Change::Put(item) => {
                key::check_item(table, item)?;
                key::item_key(table, item)
            }
            Change::Delete(key) | Change::Update { key, .. } | Change::Check(key) => {
                key::check_key(table, key)?;
                key::item_key(table, key)
            }
        }
    }

    /// The item's key attributes.
    pub(crate) fn key(&self, table: &TableRecord) -> Item {
        match &self.change {
            Change::Put(item) => key::key_of(&table.key, item),
            Change::Delete(key) | Change::Update { key, .. } | Change::Check(key) => key.clone(),
        }
    }

    /// Does it within a transaction. When this fails with anything but [`Error::Store`] or [`Error::Internal`], nothing
    /// of it was written.
    pub(crate) async fn apply(&self, dynamodb: &DynamoDb, tx: &Transaction) -> Result<Applied, Error> {
        let table = dynamodb.catalog.usable(tx, &self.table).await?;
        let key = self.locate(&table)?;
        let stored = stored::get(View::Transaction(tx), &key.bytes).await?;
        let tracked = table.indexes().next().is_some() || table.records_changes();
        let read =
            self.needs_old || self.condition.is_some() || tracked || matches!(self.change, Change::Update { .. });
        let old = match &stored {
            Some(stored) if read => Some(stored.item()?),
            _ => None,
        };
        if let Some(condition) = &self.condition
            && !condition(old.as_ref().unwrap_or(&Item::new()))?
        {
            let shown = old.filter(|_| self.show_on_failure).map(Box::new);
            return Err(Error::ConditionalCheckFailed(shown));
        }
        let edited = match &self.change {
            Change::Update { key, edit, creates, .. } if *creates || old.is_some() => {
                let item = edit(old.clone().unwrap_or_else(|| key.clone()))?;
                check_edited(&table, old.as_ref(), &item)?;
                Some(item)
            }
            _ => None,
        };
        let new = match &self.change {
            Change::Put(item) => Some(item),
            _ => edited.as_ref(),
        };
        match (new, &stored) {
            (Some(new), _) => stored::put(tx, &key.bytes, new, stored.as_ref())?,
            (None, Some(stored)) if matches!(self.change, Change::Delete(_)) => stored::delete(tx, &key.bytes, stored)?,
            _ => {}
        }
        let mut charged = Vec::new();
        if tracked && !matches!(self.change, Change::Check(_)) {
            charged = index::change(tx, &table, &key, old.as_ref(), new)?;
        }
        let size = new
            .map_or(0, item_size)
            .max(stored.as_ref().map_or(0, |stored| stored.size));
        let usage = Usage::of_write(&table, index::write_units(size), &charged);
        Ok(Applied {
            table,
            old,
            new: edited,
            size,
            usage,
        })
    }
}

/// Checks what an update made of an item.
fn check_edited(table: &TableRecord, old: Option<&Item>, item: &Item) -> Result<(), Error> {
    if item_size(item) > MAX_ITEM_BYTES {
        return Err(Error::validation(
            "Item size to update has exceeded the maximum allowed size",
        ));
    }
    // Only what changed: an item from before the index may hold what no index takes.
    key::check_index_keys(table, item, |name| {
        old.is_none_or(|old| old.get(name) != item.get(name))
    })
}

impl DynamoDb {
    /// Does one write, together with others of the same item that come at the same time.
    pub(crate) async fn write(&self, write: Write) -> Result<Applied, Error> {
        let snapshot = self.store.snapshot().await?;
        let table = self.catalog.usable_in(&snapshot, &write.table).await?;
        drop(snapshot);
        let key = write.locate(&table)?;
        self.queues
            .submit(&key.bytes, write, |batch| self.write_batch(batch))
            .await
    }

    /// Does writes of one item in one transaction, one behind the other; each alone when that does not go.
    async fn write_batch(&self, batch: Vec<Write>) -> Vec<Result<Applied, Error>> {
        let writes = &batch;
        let done = self
            .store
            .transact(async |tx| {
                let mut results = Vec::with_capacity(writes.len());
                for write in writes {
                    match write.apply(self, &tx).await {
                        Err(error @ (Error::Store(_) | Error::Internal)) => return Err(error),
                        result => results.push(result),
                    }
                }
                Ok(results)
            })
            .await;
        match done {
            Ok(results) => results,
            Err(error) if batch.len() == 1 => vec![Err(error)],
            Err(error) => {
                tracing::debug!(%error, writes = batch.len(), "dynamodb: writes of one item go one by one");
                let mut results = Vec::with_capacity(batch.len());
                for write in &batch {
                    results.push(self.store.transact(async |tx| write.apply(self, &tx).await).await);
                }
                results
            }
        }
    }
}
