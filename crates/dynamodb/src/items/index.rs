//! Entries of secondary indexes: what an item leaves in each, and how a change of it changes them.

use super::key::{self, ItemKey};
use super::stored::{self, Stored};
use super::view::View;
use super::{codec, key::MAX_PARTITION_BYTES, key::MAX_SORT_BYTES};
use crate::tables::record::{IndexRecord, KeySchema, Projection, TableRecord};
use crate::tables::usage::Counts;
use crate::{AttributeValue, Error, Item, item_size, keys};
use bytes::Bytes;
use danbi_store::Transaction;

/// The longest entry, in bytes, that holds what the index projects. A longer one names its item instead: twenty indexes
/// on a 400 KB item would not fit into one transaction.
pub(crate) const INLINE_BYTES: usize = 4096;

/// The entry holds the projected item.
const INLINE: u8 = 1;
/// The entry holds the primary key, and the item is found there.
const REFERENCE: u8 = 2;

/// One entry of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The store's key.
    pub key: Vec<u8>,
    /// What lies there.
    pub value: Vec<u8>,
    /// What DynamoDB counts for the projected item.
    pub size: usize,
}

/// The entry that `item` has in `index`; `None` when it lacks an index key attribute, or has one that no index takes.
pub(crate) fn entry(table: &TableRecord, index: &IndexRecord, key: &ItemKey, item: &Item) -> Option<Entry> {
    if !fits(&index.key, item) {
        return None;
    }
    let partition = key::partition(table.id, &index.key, item)?;
    let sort = key::sort(&index.key, item)?;
    let (size, value) = value(table, index, item);
    Some(Entry {
        key: keys::index_entry(table.id, index.id, partition, &sort, key.digest),
        value,
        size,
    })
}

/// Whether no index key attribute is empty or too long: items from before the index was there may be so.
fn fits(schema: &KeySchema, item: &Item) -> bool {
    let within = |names: &[crate::tables::record::KeyAttribute], limit| {
        names.iter().all(|attribute| {
            item.get(&attribute.name).is_some_and(|value| match value {
                AttributeValue::S(text) => (1..=limit).contains(&text.len()),
                AttributeValue::B(bytes) => (1..=limit).contains(&bytes.len()),
                _ => true,
            })
        })
    };
    within(&schema.partition, MAX_PARTITION_BYTES) && within(&schema.sort, MAX_SORT_BYTES)
}

/// Whether the index holds the attribute of this name.
pub(crate) fn projects(table: &TableRecord, index: &IndexRecord, name: &str) -> bool {
    match &index.projection {
        Projection::All => true,
        Projection::KeysOnly => table.key.contains(name) || index.key.contains(name),
        Projection::Include(names) => {
            names.iter().any(|other| other == name) || table.key.contains(name) || index.key.contains(name)
        }
    }
}

fn value(table: &TableRecord, index: &IndexRecord, item: &Item) -> (usize, Vec<u8>) {
    let projected = || item.iter().filter(|(name, _)| projects(table, index, name));
    let size = match index.projection {
        Projection::All => item_size(item),
        _ => projected().map(|(name, value)| name.len() + value.size()).sum(),
    };
    let mut value = Vec::with_capacity(size.min(INLINE_BYTES) + 16);
    if size <= INLINE_BYTES {
        value.push(INLINE);
        codec::put_length(size, &mut value);
        codec::encode(projected(), &mut value);
    } else {
        value.push(REFERENCE);
        codec::put_length(size, &mut value);
        codec::encode(item.iter().filter(|(name, _)| table.key.contains(name)), &mut value);
    }
    (size, value)
}

/// Writes and deletes the entries that differ between two states of an item, and counts them; what each index was charged for, in write
/// units, in the order of [`TableRecord::indexes`].
pub(crate) fn change(
    tx: &Transaction,
    table: &TableRecord,
    key: &ItemKey,
    old: Option<&Item>,
    new: Option<&Item>,
    counts: &mut Counts,
) -> Result<Vec<u64>, Error> {
    let mut charged = Vec::new();
    for index in table.indexes() {
        let before = old.and_then(|item| entry(table, index, key, item));
        let after = new.and_then(|item| entry(table, index, key, item));
        let size = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.size);
        counts.replace_index(index.id, size(&before), size(&after));
        charged.push(match (&before, &after) {
            (None, None) => 0,
            (Some(before), Some(after)) if before.key == after.key => {
                let same = before.value == after.value
                    && (after.value[0] == INLINE || same_projection(table, index, old, new));
                if before.value != after.value {
                    tx.put(&after.key, after.value.clone())?;
                }
                if same {
                    0
                } else {
                    write_units(before.size.max(after.size))
                }
            }
            _ => {
                let mut units = 0;
                if let Some(before) = &before {
                    tx.delete(&before.key)?;
                    units += write_units(before.size);
                }
                if let Some(after) = &after {
                    tx.put(&after.key, after.value.clone())?;
                    units += write_units(after.size);
                }
                units
            }
        });
    }
    Ok(charged)
}

fn same_projection(table: &TableRecord, index: &IndexRecord, old: Option<&Item>, new: Option<&Item>) -> bool {
    let projected = |item: Option<&Item>| -> Vec<(String, AttributeValue)> {
        let all = item.into_iter().flatten();
        all.filter(|(name, _)| projects(table, index, name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    projected(old) == projected(new)
}

/// Write units for an item of this many bytes: one for each begun KB, at least one.
pub(crate) fn write_units(size: usize) -> u64 {
    size.div_ceil(1024).max(1) as u64
}

/// What an entry says before its item is decoded.
pub(crate) struct Found {
    /// What DynamoDB counts for the projected item.
    pub size: usize,
    inline: bool,
    body: Bytes,
}

impl Found {
    /// Reads an entry's value.
    pub(crate) fn open(value: &Bytes) -> Result<Self, Error> {
        let damaged = || Error::internal("an index entry has no header");
        let (&form, mut rest) = value.split_first().ok_or_else(damaged)?;
        let size = codec::take_length(&mut rest).ok_or_else(damaged)?;
        let inline = match form {
            INLINE => true,
            REFERENCE => false,
            _ => return Err(damaged()),
        };
        let body = value.slice(value.len() - rest.len()..);
        Ok(Self { size, inline, body })
    }

    /// What the index projects of the item.
    pub(crate) async fn projected(
        &self,
        view: View<'_>,
        table: &TableRecord,
        index: &IndexRecord,
    ) -> Result<Item, Error> {
        if self.inline {
            return codec::decode(&self.body, |_| true);
        }
        let base = self.base(view, table).await?;
        base.some(|name| projects(table, index, name))
    }

    /// The item itself.
    pub(crate) async fn base(&self, view: View<'_>, table: &TableRecord) -> Result<Stored, Error> {
        let primary = codec::decode(&self.body, |name| table.key.contains(name))?;
        let key = key::item_key(table, &primary)?;
        let base = stored::get(view, &key.bytes).await?;
        base.ok_or_else(|| Error::internal("an index entry without its item"))
    }
}
