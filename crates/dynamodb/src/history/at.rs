//! A table as it was at one moment, page by page.

use super::next_changed;
use crate::items::stored;
use crate::items::view::View;
use crate::jobs::KeyText;
use crate::keys::{self, Space, TableId};
use crate::tables::backfill::rest_of;
use crate::{Error, Item, item_size};
use danbi_store::{Direction, Snapshot};

/// Bytes of items at which a page ends.
const PAGE_BYTES: usize = 3_000_000;

/// Some items, in the order of their keys, and where they end.
#[derive(Debug, Default)]
pub(crate) struct ItemsAt {
    /// Each with its own part of its key.
    pub items: Vec<(Vec<u8>, Item)>,
    /// The last key that was looked at, when there may be more behind it.
    pub more_after: Option<KeyText>,
}

/// Up to `limit` items of a table as it was at the moment `stamp`, behind the item `after`.
pub(crate) async fn items_at(
    snapshot: &Snapshot,
    table: TableId,
    stamp: u64,
    after: Option<&KeyText>,
    limit: usize,
) -> Result<ItemsAt, Error> {
    let prefix = keys::space(table, Space::Item, 0);
    let last_key = after.map(|after| {
        let mut key = prefix.clone();
        key.extend_from_slice(after.as_ref());
        KeyText::from(key)
    });
    let page = snapshot
        .scan(rest_of(prefix, last_key.as_ref()), Direction::Forward, limit)
        .await?;
    let until = page
        .entries
        .last()
        .filter(|_| page.more)
        .map(|(key, _)| keys::item_suffix(key).to_vec());
    let mut read = ItemsAt::default();
    let mut bytes = 0;
    let mut looked = 0;
    let mut last: Option<Vec<u8>> = after.map(|after| after.as_ref().to_vec());
    let mut current = page.entries.iter().peekable();
    let mut changed = next_changed(snapshot, table, last.as_deref(), stamp, until.as_deref()).await?;
    loop {
        let next = current.peek().map(|(key, _)| keys::item_suffix(key));
        // The changed item comes first when there is no other, or it lies before it, or it is the same.
        let old_first = match (&changed, next) {
            (None, None) => break,
            (Some(before), Some(next)) => before.suffix.as_slice() <= next,
            (changed, _) => changed.is_some(),
        };
        if looked >= limit || bytes >= PAGE_BYTES {
            read.more_after = last.map(KeyText::from);
            return Ok(read);
        }
        looked += 1;
        let (suffix, item) = if old_first {
            let Some(before) = changed.take() else { break };
            if next == Some(before.suffix.as_slice()) {
                current.next();
            }
            changed = next_changed(snapshot, table, Some(&before.suffix), stamp, until.as_deref()).await?;
            (before.suffix, before.item)
        } else {
            let Some((key, value)) = current.next() else { break };
            let stored = stored::assemble(View::Snapshot(snapshot), key, value).await?;
            (keys::item_suffix(key).to_vec(), Some(stored.item()?))
        };
        if let Some(item) = item {
            bytes += item_size(&item);
            read.items.push((suffix.clone(), item));
        }
        last = Some(suffix);
    }
    read.more_after = until.map(KeyText::from);
    Ok(read)
}
