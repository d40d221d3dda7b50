//! Whether what lies in the store of a table belongs together: items, their parts and their index entries, both ways.

use super::index::{self, Found};
use super::view::View;
use super::{key, stored};
use crate::keys::{self, Space};
use crate::tables::catalog::TableRef;
use crate::tables::record::{IndexState, TableRecord};
use crate::{DynamoDb, Error};
use bytes::Bytes;
use danbi_core::Scope;
use danbi_store::{Direction, KeyRange, Snapshot};
use std::collections::BTreeMap;

/// Entries read at once.
const BATCH: usize = 256;
/// Faults that are told one by one.
const MAX_FAULTS: usize = 100;

/// What a walk over a table found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many items there are.
    pub items: u64,
    /// How many entries each index has.
    pub entries: BTreeMap<String, u64>,
    /// What does not belong together, in words; the first hundred.
    pub faults: Vec<String>,
}

impl Checked {
    fn fault(&mut self, words: String) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(words);
        }
    }
}

impl DynamoDb {
    /// Walks a table and its indexes both ways, at one moment: each item has the entries that it should have, each entry
    /// an item that it belongs to, each part of a long item its item. For tests after a crash, and for `doctor`.
    ///
    /// Takes as long as reading everything; a table that takes longer than a snapshot lives is refused by the store.
    pub async fn check_table(&self, scope: &Scope, table: &str) -> Result<Checked, Error> {
        let snapshot = self.store.snapshot().await?;
        let table = TableRef {
            scope: scope.clone(),
            name: table.to_owned(),
        };
        let table = self.catalog.usable_in(&snapshot, &table).await?;
        let mut checked = Checked::default();
        check_items(&snapshot, &table, &mut checked).await?;
        check_entries(&snapshot, &table, &mut checked).await?;
        check_parts(&snapshot, &table, &mut checked).await?;
        Ok(checked)
    }
}

/// The next entries of a range, and what is left of it.
async fn next(snapshot: &Snapshot, range: KeyRange) -> Result<(Vec<(Bytes, Bytes)>, Option<KeyRange>), Error> {
    let page = snapshot.scan(range.clone(), Direction::Forward, BATCH).await?;
    let rest = page
        .entries
        .last()
        .filter(|_| page.more)
        .map(|(last, _)| range.after(last));
    Ok((page.entries, rest))
}

async fn check_items(snapshot: &Snapshot, table: &TableRecord, checked: &mut Checked) -> Result<(), Error> {
    let mut rest = Some(KeyRange::prefix(keys::space(table.id, Space::Item, 0)));
    while let Some(range) = rest {
        let (entries, behind) = next(snapshot, range).await?;
        for (at, value) in entries {
            checked.items += 1;
            let stored = stored::assemble(View::Snapshot(snapshot), &at, &value).await?;
            let item = stored.item()?;
            if stored.size != crate::item_size(&item) {
                checked.fault(format!(
                    "an item of {} bytes says that it has {}",
                    crate::item_size(&item),
                    stored.size
                ));
            }
            let place = key::item_key(table, &item)?;
            if place.bytes != at {
                checked.fault(format!("an item lies under another key than its own: {item:?}"));
            }
            for index in table.indexes().filter(|index| index.state == IndexState::Active) {
                let Some(entry) = index::entry(table, index, &place, &item) else {
                    continue;
                };
                match snapshot.get(&entry.key).await? {
                    Some(value) if value == entry.value => {}
                    Some(_) => checked.fault(format!("index {} holds another image of {item:?}", index.name)),
                    None => checked.fault(format!("index {} misses {item:?}", index.name)),
                }
            }
        }
        rest = behind;
    }
    Ok(())
}

async fn check_entries(snapshot: &Snapshot, table: &TableRecord, checked: &mut Checked) -> Result<(), Error> {
    let view = View::Snapshot(snapshot);
    for index in table.indexes() {
        let mut rest = Some(KeyRange::prefix(keys::index(table.id, index.id)));
        let mut count = 0;
        while let Some(range) = rest {
            let (entries, behind) = next(snapshot, range).await?;
            for (at, value) in entries {
                count += 1;
                let item = match Found::open(&value)?.base(view, table).await {
                    Ok(stored) => stored.item()?,
                    Err(_) => {
                        checked.fault(format!("index {} has an entry without an item", index.name));
                        continue;
                    }
                };
                let place = key::item_key(table, &item)?;
                if index::entry(table, index, &place, &item).is_none_or(|entry| entry.key != at) {
                    checked.fault(format!("index {} has an entry that {item:?} does not make", index.name));
                }
            }
            rest = behind;
        }
        checked.entries.insert(index.name.clone(), count);
    }
    Ok(())
}

async fn check_parts(snapshot: &Snapshot, table: &TableRecord, checked: &mut Checked) -> Result<(), Error> {
    let mut rest = Some(KeyRange::prefix(keys::space(table.id, Space::Overflow, 0)));
    while let Some(range) = rest {
        let (entries, behind) = next(snapshot, range).await?;
        for (at, _) in entries {
            let (item, part) = keys::part_of(&at);
            let parts = match snapshot.get(&item).await? {
                Some(value) => stored::parts(&value)?,
                None => 0,
            };
            if part >= parts {
                checked.fault("a part of a long item has no item".to_owned());
            }
        }
        rest = behind;
    }
    Ok(())
}
