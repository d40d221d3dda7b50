use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};

use super::EmbeddedOptions;
use crate::{Direction, KeyRange, MAX_PAGE_BYTES, Page, StoreError};

/// Writes buffered in memory before they become a table.
const MEMTABLE_BYTES: u64 = 8 << 20;
/// Journal kept for data that is not in tables yet: bounds the time that recovery takes.
const JOURNAL_BYTES: u64 = 64 << 20;

/// The data on disk.
pub(crate) struct Tree {
    database: Database,
    data: Keyspace,
}

/// The data at one moment.
pub(crate) struct View {
    data: Keyspace,
    snapshot: fjall::Snapshot,
}

/// The writes of a group: the last one of each key.
pub(crate) type Batch = BTreeMap<Bytes, Option<Bytes>>;

impl Tree {
    pub(crate) fn open(dir: &Path, options: &EmbeddedOptions) -> Result<Self, StoreError> {
        let database = Database::builder(dir.join("tree"))
            .cache_size(options.cache_bytes)
            .worker_threads(1)
            .max_journaling_size(JOURNAL_BYTES)
            .open()
            .map_err(damaged)?;
        let data = database
            .keyspace("data", || {
                KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
            })
            .map_err(damaged)?;
        Ok(Self { database, data })
    }

    /// Makes all of `batch` visible to later views, in one step; durable with the next [`Tree::sync`].
    pub(crate) fn write(&self, batch: Batch) -> Result<(), String> {
        let mut writes = self.database.batch();
        for (key, value) in batch {
            match value {
                Some(value) => writes.insert(&self.data, key, value),
                None => writes.remove(&self.data, key),
            }
        }
        writes.commit().map_err(|error| error.to_string())
    }

    /// Makes everything written so far durable.
    pub(crate) fn sync(&self) -> Result<(), String> {
        self.database
            .persist(PersistMode::SyncData)
            .map_err(|error| error.to_string())
    }

    pub(crate) fn view(&self) -> View {
        View {
            data: self.data.clone(),
            snapshot: self.database.snapshot(),
        }
    }
}

impl View {
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.snapshot.get(&self.data, key).map_err(unreadable)?.map(Bytes::from))
    }

    pub(crate) fn scan(&self, range: &KeyRange, direction: Direction, limit: usize) -> Result<Page, StoreError> {
        if range.is_empty() {
            return Ok(Page::default());
        }
        let entries = self.snapshot.range(&self.data, range.bounds());
        match direction {
            Direction::Forward => page(entries, limit),
            Direction::Reverse => page(entries.rev(), limit),
        }
    }

    /// Every key in `range`.
    pub(crate) fn keys(&self, range: &KeyRange) -> Result<Vec<Bytes>, StoreError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let entries = self.snapshot.range(&self.data, range.bounds());
        entries
            .map(|entry| entry.key().map(Bytes::from).map_err(unreadable))
            .collect()
    }
}

fn page(entries: impl Iterator<Item = fjall::Guard>, limit: usize) -> Result<Page, StoreError> {
    let mut page = Page::default();
    let mut bytes = 0;
    for entry in entries {
        if page.entries.len() >= limit || bytes >= MAX_PAGE_BYTES {
            page.more = true;
            break;
        }
        let (key, value) = entry.into_inner().map_err(unreadable)?;
        bytes += key.len() + value.len();
        page.entries.push((key.into(), value.into()));
    }
    Ok(page)
}

fn damaged(error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Io(error) => error.into(),
        other => StoreError::Corrupt(other.to_string()),
    }
}

fn unreadable(error: fjall::Error) -> StoreError {
    damaged(error)
}
