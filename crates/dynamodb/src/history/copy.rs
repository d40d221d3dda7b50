//! The job that copies a table, as it was at one moment, into a backup or into a new table.

use super::at::items_at;
use super::backup::{BackupRef, BackupState};
use crate::items::{index, key, stored};
use crate::jobs::{Held, Job, KeyText};
use crate::keys::{self, Space, TableId};
use crate::tables::backfill::Target;
use crate::tables::record::{TableRecord, TableState};
use crate::tables::usage::{self, Counts};
use crate::{DynamoDb, Error, Item, item_size, layout};
use danbi_store::{Direction, KeyRange, Transaction};
use serde::{Deserialize, Serialize};

/// Items that one step copies; fewer when each leaves entries in many indexes.
const BATCH: usize = 250;
const BATCH_OF_INDEXED: usize = 60;
/// Changes that one step forgets.
const FORGET_BATCH: usize = 500;

/// A copy that is being made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Copy {
    /// Whose items are read: a table's, or a backup's.
    pub source: TableId,
    /// The source while it is a table, which keeps its history until the copy is done.
    pub source_table: Option<Target>,
    /// The source while it is a backup, which is not deleted until the copy is done.
    pub source_backup: Option<BackupRef>,
    /// The moment.
    pub stamp: u64,
    /// The last item that was copied.
    pub after: Option<KeyText>,
    /// Where to.
    pub into: Into,
    /// What was copied.
    pub counts: Counts,
}

/// Where a copy goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Into {
    /// A backup.
    Backup(BackupRef),
    /// A new table.
    Table(Target),
}

/// History that nobody needs any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Forget {
    /// Whose.
    pub table: TableId,
    /// What is older.
    pub before: u64,
}

impl DynamoDb {
    pub(crate) async fn copy_step(&self, held: &Held, copy: &Copy) -> Result<Option<Job>, Error> {
        let snapshot = self.store.snapshot().await?;
        let table = match &copy.into {
            Into::Table(target) => {
                let found = self.catalog.find_in(&snapshot, &target.table()?).await?;
                found.filter(|table| table.id == target.id)
            }
            Into::Backup(_) => None,
        };
        let indexed = table.as_ref().is_some_and(|table| table.indexes().count() > 4);
        let limit = if indexed { BATCH_OF_INDEXED } else { BATCH };
        let page = items_at(&snapshot, copy.source, copy.stamp, copy.after.as_ref(), limit).await?;
        drop(snapshot);
        let (goes_on, next) = self
            .store
            .transact_relaxed(async |tx| {
                let mut counts = copy.counts.clone();
                let there = match &copy.into {
                    Into::Backup(backup) => match self.backup(&tx, backup).await? {
                        Some(record) => {
                            for (suffix, item) in &page.items {
                                let mut key = keys::space(record.id, Space::Item, suffix.len());
                                key.extend_from_slice(suffix);
                                let size = item_size(item);
                                stored::put(&tx, &key, item, size, None)?;
                                counts.replace(None, Some(size));
                            }
                            true
                        }
                        None => false,
                    },
                    Into::Table(target) => match self.target(&tx, target).await? {
                        Some(table) => {
                            for (_, item) in &page.items {
                                put_new(&tx, &table, item, &mut counts)?;
                            }
                            true
                        }
                        None => false,
                    },
                };
                let next = page.more_after.as_ref().filter(|_| there).map(|after| {
                    Job::Copy(Box::new(Copy {
                        after: Some(after.clone()),
                        counts: counts.clone(),
                        ..copy.clone()
                    }))
                });
                if next.is_none() {
                    self.end_copy(&tx, copy, &counts).await?;
                }
                self.advance(&tx, held, next.as_ref()).await?;
                Ok::<_, Error>((next.is_some(), next))
            })
            .await?;
        self.jobs.wake();
        Ok(next.filter(|_| goes_on))
    }

    async fn end_copy(&self, tx: &Transaction, copy: &Copy, counts: &Counts) -> Result<(), Error> {
        match &copy.into {
            Into::Backup(backup) => {
                if let Some(mut record) = self.backup(tx, backup).await? {
                    record.state = BackupState::Available;
                    record.counts = counts.clone();
                    backup.put(tx, &record)?;
                }
            }
            Into::Table(target) => {
                if let Some(table) = self.target(tx, target).await? {
                    let mut table = TableRecord::clone(&table);
                    table.state = TableState::Active;
                    usage::set(tx, table.id, counts).await?;
                    self.catalog.put(tx, table)?;
                }
            }
        }
        if let Some(source) = &copy.source_table {
            self.release(tx, source).await?;
        }
        if let Some(source) = &copy.source_backup
            && let Some(mut record) = self.backup(tx, source).await?
        {
            record.restores = record.restores.saturating_sub(1);
            source.put(tx, &record)?;
        }
        Ok(())
    }

    /// Within a transaction: a copy of the table is not made any more. History that nobody else needs is forgotten.
    pub(crate) async fn release(&self, tx: &Transaction, source: &Target) -> Result<(), Error> {
        let Some(table) = self.target(tx, source).await? else {
            return Ok(());
        };
        let mut table = TableRecord::clone(&table);
        table.copies = table.copies.saturating_sub(1);
        let forgets = !table.keeps_history();
        let table = self.catalog.put(tx, table)?;
        if forgets {
            self.forget_history(tx, table.id)?;
        }
        Ok(())
    }

    /// Within a transaction that writes the table's record, after which no history is kept: forgets what there is.
    pub(crate) fn forget_history(&self, tx: &Transaction, table: TableId) -> Result<(), Error> {
        // The record was written, so whatever has a smaller stamp is there, or will run again without history.
        let before = self.stamps.next();
        self.jobs.add(tx, Job::Forget(Forget { table, before }))
    }

    pub(crate) async fn forget_step(&self, held: &Held, forget: &Forget) -> Result<Option<Job>, Error> {
        let start = layout::history_time(forget.table);
        let end = layout::history_time_entry(forget.table, forget.before, 0, &[]);
        let snapshot = self.store.snapshot().await?;
        let page = snapshot
            .scan(KeyRange::new(start, end), Direction::Forward, FORGET_BATCH)
            .await?;
        let mut gone = Vec::new();
        for (by_time, _) in &page.entries {
            let first = super::keys_of_change(forget.table, by_time, 1);
            let first = first.and_then(|mut keys| keys.pop());
            let first = first.ok_or_else(|| Error::internal("a key of the history by time cannot be read"))?;
            let parts = snapshot.get(&first).await?.and_then(|value| value.get(1).copied());
            gone.extend(
                super::keys_of_change(forget.table, by_time, parts.unwrap_or(1))
                    .into_iter()
                    .flatten(),
            );
            gone.push(by_time.to_vec());
        }
        let next = page.more.then(|| Job::Forget(forget.clone()));
        self.store
            .transact_relaxed(async |tx| {
                for key in &gone {
                    tx.delete(key)?;
                }
                self.advance(&tx, held, next.as_ref()).await
            })
            .await?;
        Ok(next)
    }
}

/// Puts an item into a table that nobody uses yet, with its index entries.
pub(crate) fn put_new(tx: &Transaction, table: &TableRecord, item: &Item, counts: &mut Counts) -> Result<(), Error> {
    let located = key::item_key(table, item)?;
    let size = item_size(item);
    stored::put(tx, &located.bytes, item, size, None)?;
    index::change(tx, table, &located, None, Some(item), counts)?;
    counts.replace(None, Some(size));
    Ok(())
}
