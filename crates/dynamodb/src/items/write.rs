//! One write of one item: what every operation that writes comes down to.

use super::capacity::Usage;
use super::key::{self, ItemKey};
use super::stored::{self, MAX_ITEM_BYTES};
use super::{index, parameters, view::View};
use crate::changes::{Actor, Changes};
use crate::expression::{Condition, Update, UpdateAction, UpdateOperand, UpdateValue};
use crate::tables::catalog::TableRef;
use crate::tables::record::TableRecord;
use crate::{DynamoDb, Error, Item, item_size};
use danbi_store::Transaction;
use std::sync::Arc;

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
    /// Where the item was found to lie: good for as long as the table is the same.
    pub located: Option<Located>,
}

/// What [`Write::locate`] said of a table.
pub(crate) struct Located {
    table: Arc<TableRecord>,
    key: ItemKey,
}

/// What happens to an item.
pub(crate) enum Change {
    /// It is replaced.
    Put(Item),
    /// It is made; that there is one already is [`Error::DuplicateItem`].
    Insert(Item),
    /// The item of this key goes.
    Delete(Item),
    /// The item of this key is edited, or made.
    Update {
        /// The key.
        key: Item,
        /// How.
        update: Update,
        /// Bytes in the request's values, which count towards a transaction's size.
        payload: usize,
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
    /// Checks against the table what can be checked without the item; where the item lies.
    pub(crate) fn locate(&self, table: &TableRecord) -> Result<ItemKey, Error> {
        let key = match &self.change {
            Change::Put(item) | Change::Insert(item) => {
                key::check_item(table, item)?;
                item
            }
            Change::Delete(key) | Change::Check(key) => {
                key::check_key(table, key)?;
                key
            }
            Change::Update { key, update, .. } => {
                key::check_key(table, key)?;
                check_update(table, update)?;
                key
            }
        };
        parameters::check_paths(table, parameters::condition_paths(self.condition.as_ref()))?;
        key::item_key(table, key)
    }

    /// As [`Write::locate`]; what it said is kept for [`Write::apply`].
    pub(crate) fn located(&mut self, table: Arc<TableRecord>) -> Result<&ItemKey, Error> {
        let key = self.locate(&table)?;
        Ok(&self.located.insert(Located { table, key }).key)
    }

    /// The item's key attributes.
    pub(crate) fn key(&self, table: &TableRecord) -> Item {
        match &self.change {
            Change::Put(item) | Change::Insert(item) => key::key_of(&table.key, item),
            Change::Delete(key) | Change::Update { key, .. } | Change::Check(key) => key.clone(),
        }
    }

    /// Does it within a transaction. When this fails with anything but [`Error::Store`], [`Error::Internal`] or
    /// [`Error::Throttled`], nothing of it was written.
    pub(crate) async fn apply(
        &self,
        dynamodb: &DynamoDb,
        tx: &Transaction,
        changes: &mut Changes,
    ) -> Result<Applied, Error> {
        let table = changes.table(dynamodb, tx, &self.table).await?;
        let located;
        let key = match &self.located {
            Some(found) if Arc::ptr_eq(&found.table, &table) => &found.key,
            _ => {
                located = self.locate(&table)?;
                &located
            }
        };
        changes.admit(dynamodb, &table, None)?;
        let stored = stored::get(View::Transaction(tx), &key.bytes).await?;
        let tracked = table.indexes().next().is_some() || table.records_changes();
        let read =
            self.needs_old || self.condition.is_some() || tracked || matches!(self.change, Change::Update { .. });
        let old = match &stored {
            Some(stored) if read => Some(stored.item()?),
            _ => None,
        };
        if let Some(condition) = &self.condition
            && !condition.holds(old.as_ref().unwrap_or(&Item::new()))
        {
            let size = stored.as_ref().map_or(0, |stored| stored.size);
            changes.spend(dynamodb, &table, &Usage::of_table(index::write_units(size) as f64));
            let shown = old.filter(|_| self.show_on_failure).map(Box::new);
            return Err(Error::ConditionalCheckFailed(shown));
        }
        if matches!(self.change, Change::Insert(_)) && stored.is_some() {
            return Err(Error::DuplicateItem("Duplicate primary key exists in table".into()));
        }
        let edited = match &self.change {
            Change::Update { key, update, .. } if old.is_some() || makes(update) => {
                let item = update.apply(old.as_ref().unwrap_or(key))?;
                check_edited(&table, old.as_ref(), &item)?;
                Some(item)
            }
            _ => None,
        };
        let new = match &self.change {
            Change::Put(item) | Change::Insert(item) => Some(item),
            _ => edited.as_ref(),
        };
        let (before, after) = (
            stored.as_ref().map_or(0, |stored| stored.size),
            new.map_or(0, item_size),
        );
        match (new, &stored) {
            (Some(new), _) => stored::put(tx, &key.bytes, new, after, stored.as_ref())?,
            (None, Some(stored)) if matches!(self.change, Change::Delete(_)) => stored::delete(tx, &key.bytes, stored)?,
            _ => {}
        }
        let mut charged = Vec::new();
        if tracked && !matches!(self.change, Change::Check(_)) {
            let counts = changes.counts(table.id);
            charged = index::change(tx, &table, key, old.as_ref(), new, counts)?;
            for (index, _) in table
                .global_indexes
                .iter()
                .zip(&charged)
                .filter(|(_, units)| **units > 0)
            {
                changes.admit(dynamodb, &table, Some(index))?;
            }
            changes.note(tx, &table, &key.bytes, old.as_ref(), new, Actor::Caller)?;
        }
        if !matches!(self.change, Change::Check(_)) {
            let (was, is) = (stored.as_ref().map(|_| before), new.map(|_| after));
            changes.counts(table.id).replace(was, is);
        }
        let size = before.max(after);
        let usage = Usage::of_write(&table, index::write_units(size), &charged);
        changes.spend(dynamodb, &table, &usage);
        Ok(Applied {
            table,
            old,
            new: edited,
            size,
            usage,
        })
    }
}

/// Whether a write that failed so may have left something behind in its transaction.
fn ends_transaction(error: &Error) -> bool {
    matches!(error, Error::Store(_) | Error::Internal | Error::Throttled(_))
}

/// Whether an update makes an item where there is none: one that only takes away does not.
fn makes(update: &Update) -> bool {
    let adds = |action: &UpdateAction| !matches!(action, UpdateAction::Remove | UpdateAction::Delete(_));
    update.actions.is_empty() || update.actions.iter().any(|(_, action)| adds(action))
}

/// Checks what can be told of an update without the item.
fn check_update(table: &TableRecord, update: &Update) -> Result<(), Error> {
    if let Some(path) = update.targets().find(|path| table.key.contains(path.root())) {
        return Err(Error::validation(format!(
            "One or more parameter values were invalid: Cannot update attribute {}. This attribute is part of the key",
            path.root()
        )));
    }
    for (path, action) in update.actions.iter().filter(|(path, _)| path.steps().is_empty()) {
        let value = match action {
            UpdateAction::Set(UpdateValue::Operand(UpdateOperand::Value(value))) | UpdateAction::Add(value) => value,
            _ => continue,
        };
        let alone = Item::from([(path.root().to_owned(), value.clone())]);
        key::check_index_keys(table, &alone, |_| true)?;
    }
    let mut paths: Vec<_> = update.targets().collect();
    update.each_source(&mut |path| paths.push(path));
    parameters::check_paths(table, paths)
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
    pub(crate) async fn write(&self, mut write: Write) -> Result<Applied, Error> {
        let known = self.catalog.recent(&write.table);
        // What is wrong with it is said of the table as it is now.
        let key = match known.and_then(|table| write.located(table).ok().map(|key| key.bytes.clone())) {
            Some(key) => key,
            None => {
                let snapshot = self.store.snapshot().await?;
                let table = self.catalog.usable_in(&snapshot, &write.table).await?;
                write.located(table)?.bytes.clone()
            }
        };
        self.queues.submit(&key, write, |batch| self.write_batch(batch)).await
    }

    /// Does writes of several items in one transaction, none of which has a condition: all or none.
    pub(crate) async fn write_together(&self, writes: &[Write]) -> Result<Vec<Applied>, Error> {
        let written = self.store.transact(async |tx| {
            let mut changes = self.changes();
            let mut applied = Vec::with_capacity(writes.len());
            for write in writes {
                applied.push(write.apply(self, &tx, &mut changes).await?);
            }
            Ok::<_, Error>((applied, changes))
        });
        let (applied, changes) = written.await?;
        self.committed(&changes);
        Ok(applied)
    }

    /// Does writes of one item in one transaction, one behind the other; each alone when that does not go.
    async fn write_batch(&self, batch: Vec<Write>) -> Vec<Result<Applied, Error>> {
        let writes = &batch;
        let done = self
            .store
            .transact(async |tx| {
                let mut changes = self.changes();
                let mut results = Vec::with_capacity(writes.len());
                for write in writes {
                    match write.apply(self, &tx, &mut changes).await {
                        Err(error) if ends_transaction(&error) => return Err(error),
                        result => results.push(result),
                    }
                }
                Ok((results, changes))
            })
            .await;
        match done {
            Ok((results, changes)) => {
                self.committed(&changes);
                results
            }
            Err(error) if batch.len() == 1 => vec![Err(error)],
            Err(error) => {
                tracing::debug!(
                    ?error,
                    writes = batch.len(),
                    "dynamodb: writes of one item go one by one"
                );
                let mut results = Vec::with_capacity(batch.len());
                for write in &batch {
                    results.push(self.write_alone(write).await);
                }
                results
            }
        }
    }

    async fn write_alone(&self, write: &Write) -> Result<Applied, Error> {
        let written = self.store.transact(async |tx| {
            let mut changes = self.changes();
            match write.apply(self, &tx, &mut changes).await {
                Err(error) if ends_transaction(&error) => Err(error),
                result => Ok((result, changes)),
            }
        });
        let (result, changes) = written.await?;
        self.committed(&changes);
        result
    }
}
