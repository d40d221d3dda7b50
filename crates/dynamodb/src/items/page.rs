//! One page of a Query or a Scan: at most 1 MB of items, measured before anything is filtered away.

use super::index::Found;
use super::key;
use super::stored;
use super::view::View;
use crate::expression::{Condition, Projection};
use crate::tables::record::{IndexRecord, TableRecord};
use crate::{Error, Item, keys};
use bytes::Bytes;
use danbi_store::{Direction, KeyRange};

/// Bytes of items, as DynamoDB counts them, at which a page ends.
const PAGE_BYTES: usize = 1024 * 1024;
/// Entries asked of the store at once: more when the first were small.
const FIRST_BATCH: usize = 32;
const MAX_BATCH: usize = 1024;

/// What is wanted of each item of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing: they are counted.
    Count,
    /// What table or index holds.
    Held,
    /// From a local index that does not hold all that is asked for: the item itself.
    Base,
}

/// Where a page is read from.
pub(crate) struct Source<'a> {
    pub table: &'a TableRecord,
    pub index: Option<&'a IndexRecord>,
    pub range: KeyRange,
    pub direction: Direction,
    /// Items looked at, at most.
    pub limit: Option<usize>,
    pub wanted: Wanted,
    /// Which items are kept; all without.
    pub filter: Option<&'a Condition>,
    /// What is answered of each item; all of it without.
    pub projection: Option<&'a Projection>,
}

/// What a page held.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// What the filter kept; empty when only counted.
    pub items: Vec<Item>,
    /// How many the filter kept.
    pub count: usize,
    /// How many were looked at.
    pub scanned: usize,
    /// The key of the last one looked at, when there may be more behind it.
    pub last: Option<Item>,
    /// Bytes read from the table or the index.
    pub bytes: usize,
    /// What of these lies in each quarter of a table, by the digests of its partition keys.
    pub quarters: [usize; 4],
    /// Bytes of the items that were fetched from the table for an index, each counted for itself.
    pub fetched: Vec<usize>,
}

/// Reads one page. Where nothing is filtered, a count decodes nothing.
pub(crate) async fn read(view: View<'_>, source: &Source<'_>) -> Result<Page, Error> {
    let mut page = Page::default();
    let mut range = source.range.clone();
    let mut batch = FIRST_BATCH;
    loop {
        let left = source.limit.map_or(usize::MAX, |limit| limit - page.scanned);
        let found = view.scan(range.clone(), source.direction, left.min(batch)).await?;
        for (key, value) in &found.entries {
            source.take(view, key, value, &mut page).await?;
            if page.bytes >= PAGE_BYTES || source.limit == Some(page.scanned) {
                page.last = Some(source.key(view, key, value).await?);
                return Ok(page);
            }
        }
        let Some((last, _)) = found.entries.last().filter(|_| found.more) else {
            return Ok(page);
        };
        range = match source.direction {
            Direction::Forward => range.after(last),
            Direction::Reverse => range.before(last),
        };
        batch = (batch * 4).min(MAX_BATCH);
    }
}

impl Source<'_> {
    async fn take(&self, view: View<'_>, key: &Bytes, value: &Bytes, page: &mut Page) -> Result<(), Error> {
        page.scanned += 1;
        let counted = self.filter.is_none() && self.wanted == Wanted::Count;
        let item = match self.index {
            None => {
                let quarter = usize::from(keys::item_suffix(key).first().map_or(0, |byte| byte >> 6));
                if counted {
                    let size = stored::size(value)?;
                    page.bytes += size;
                    page.quarters[quarter] += size;
                    page.count += 1;
                    return Ok(());
                }
                let stored = stored::assemble(view, key, value).await?;
                page.bytes += stored.size;
                page.quarters[quarter] += stored.size;
                match self.projection {
                    Some(projection) if self.filter.is_none() => {
                        stored.some(|name| projection.attributes().any(|wanted| wanted == name))?
                    }
                    _ => stored.item()?,
                }
            }
            Some(index) => {
                let found = Found::open(value)?;
                page.bytes += found.size;
                if counted {
                    page.count += 1;
                    return Ok(());
                }
                if self.wanted == Wanted::Base {
                    let base = found.base(view, self.table).await?;
                    page.fetched.push(base.size);
                    base.item()?
                } else {
                    found.projected(view, self.table, index).await?
                }
            }
        };
        if self.filter.is_some_and(|filter| !filter.holds(&item)) {
            return Ok(());
        }
        page.count += 1;
        if self.wanted != Wanted::Count {
            page.items.push(match self.projection {
                Some(projection) => projection.of(&item),
                None => item,
            });
        }
        Ok(())
    }

    /// The key that a page which ends with this entry answers as `LastEvaluatedKey`.
    async fn key(&self, view: View<'_>, key: &Bytes, value: &Bytes) -> Result<Item, Error> {
        match self.index {
            None => {
                let stored = stored::assemble(view, key, value).await?;
                stored.some(|name| self.table.key.contains(name))
            }
            Some(index) => {
                let item = Found::open(value)?.projected(view, self.table, index).await?;
                Ok(key::index_key_of(self.table, index, &item))
            }
        }
    }
}
