//! Items as they were: what point-in-time recovery, backups and exports are made from.
//!
//! While a table has point-in-time recovery, or a copy of it is being made, each change keeps the item as it was before,
//! in the same transaction, under the item's key and the transaction's stamp ([`crate::changes`]). So the item at a
//! moment T is what the first change after T kept, or the item itself when nothing changed it since. A copy of the
//! table at T walks items and history side by side; each page of it may come from another snapshot, because what it
//! finds does not depend on when it looks. A backup that takes an hour is therefore as of one moment, with whole
//! transactions, although no snapshot lives longer than seconds and writers never wait.

mod at;
pub(crate) mod backup;
pub(crate) mod copy;
pub(crate) mod recovery;
pub(crate) mod restore;

pub(crate) use at::items_at;

use crate::items::codec;
use crate::keys::{self, TableId};
use crate::{Error, Item, layout};
use bytes::Bytes;
use danbi_store::{Direction, KeyRange, Snapshot, Transaction};

/// Bytes of an old image in one value.
const PART_BYTES: usize = 96_000;

/// There was no item.
const NONE: u8 = 0;
/// The item follows.
const SOME: u8 = 1;

/// Keeps an item as it was before a change.
pub(crate) fn put(
    tx: &Transaction,
    table: TableId,
    item_key: &[u8],
    stamp: u64,
    number: u32,
    old: Option<&Item>,
) -> Result<(), Error> {
    let suffix = keys::item_suffix(item_key);
    let mut body = Vec::new();
    if let Some(old) = old {
        codec::encode(old, &mut body);
    }
    let parts = body.len().div_ceil(PART_BYTES).max(1);
    for part in 0..parts {
        let piece = &body[part * PART_BYTES..body.len().min((part + 1) * PART_BYTES)];
        let mut value = Vec::with_capacity(piece.len() + 2);
        if part == 0 {
            value.push(if old.is_some() { SOME } else { NONE });
            // An item has at most a dozen parts.
            value.push(parts as u8);
        }
        value.extend_from_slice(piece);
        tx.put(&layout::history_entry(table, suffix, stamp, number, part as u8), value)?;
    }
    tx.put(&layout::history_time_entry(table, stamp, number, suffix), Vec::new())?;
    Ok(())
}

/// What an item was before its first change after a moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Before {
    /// The item's own part of its key.
    pub suffix: Vec<u8>,
    /// The item then.
    pub item: Option<Item>,
}

/// Of the items behind `after` in the order of keys, the first that was changed after the moment `stamp`, as it was
/// then; with the number of entries that were looked at added to `looked`, up to `limit`.
pub(crate) async fn next_changed(
    snapshot: &Snapshot,
    table: TableId,
    after: Option<&[u8]>,
    stamp: u64,
    until: Option<&[u8]>,
) -> Result<Option<Before>, Error> {
    let prefix = layout::history(table);
    let all = KeyRange::prefix(prefix.clone());
    let end = match until {
        // Up to and with the item `until`: all its changes.
        Some(until) => beyond(&prefix, until),
        None => match all.end() {
            Some(end) => end.to_vec(),
            None => return Ok(None),
        },
    };
    let mut start = match after {
        Some(after) => beyond(&prefix, after),
        None => prefix.clone(),
    };
    loop {
        let page = snapshot
            .scan(KeyRange::new(start.clone(), end.clone()), Direction::Forward, 1)
            .await?;
        let Some((key, value)) = page.entries.first() else {
            return Ok(None);
        };
        let (suffix, at) = parse(key, &prefix).ok_or_else(|| Error::internal("a key of the history cannot be read"))?;
        if at > stamp {
            let item = read(snapshot, key, value).await?;
            return Ok(Some(Before {
                suffix: suffix.to_vec(),
                item,
            }));
        }
        // Its first change after the moment, or if there is none the next item's first change.
        start = layout::history_entry(table, suffix, stamp.saturating_add(1), 0, 0);
    }
}

/// The first key behind all changes of an item.
fn beyond(prefix: &[u8], suffix: &[u8]) -> Vec<u8> {
    let mut key = prefix.to_vec();
    key.extend_from_slice(suffix);
    key.extend_from_slice(&[0xff; layout::HISTORY_TAIL + 1]);
    key
}

/// The item and the stamp of a key of the history.
fn parse<'k>(key: &'k [u8], prefix: &[u8]) -> Option<(&'k [u8], u64)> {
    let rest = key.strip_prefix(prefix)?;
    let (suffix, tail) = rest.split_at_checked(rest.len().checked_sub(layout::HISTORY_TAIL)?)?;
    Some((suffix, u64::from_be_bytes(*tail.first_chunk()?)))
}

async fn read(snapshot: &Snapshot, key: &[u8], value: &Bytes) -> Result<Option<Item>, Error> {
    let damaged = || Error::internal("an old image cannot be read");
    let (&[kind, parts], first) = value.split_first_chunk().ok_or_else(damaged)?;
    if kind == NONE {
        return Ok(None);
    }
    let mut body = first.to_vec();
    let mut key = key.to_vec();
    for part in 1..parts {
        // The part's number is the last byte.
        if let Some(last) = key.last_mut() {
            *last = part;
        }
        body.extend_from_slice(&snapshot.get(&key).await?.ok_or_else(damaged)?);
    }
    codec::decode(&body, |_| true).map(Some)
}

/// The keys of one change in the history, from its key in the list by time.
pub(crate) fn keys_of_change(table: TableId, by_time: &[u8], parts: u8) -> Option<Vec<Vec<u8>>> {
    let rest = by_time.strip_prefix(layout::history_time(table).as_slice())?;
    let (stamp, rest) = rest.split_first_chunk()?;
    let (number, suffix) = rest.split_first_chunk()?;
    let (stamp, number) = (u64::from_be_bytes(*stamp), u32::from_be_bytes(*number));
    Some(
        (0..parts)
            .map(|part| layout::history_entry(table, suffix, stamp, number, part))
            .collect(),
    )
}
