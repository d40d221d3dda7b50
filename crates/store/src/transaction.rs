use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;

use crate::engine::{Commit, Durability, EngineSnapshot, Writes};
use crate::range::successor;
use crate::{
    Direction, KeyRange, MAX_KEY_BYTES, MAX_PAGE_BYTES, MAX_TRANSACTION_AGE, MAX_TRANSACTION_BYTES, MAX_VALUE_BYTES,
    Page, StoreError,
};

/// Reads of one consistent snapshot, and writes that happen all or not at all.
///
/// A handle that [`crate::Store::transact`] lends to its closure. It sees its own writes. What it reads is recorded:
/// if another transaction changes any of it before the commit, the closure runs again. Once the closure has returned,
/// the handle answers [`StoreError::TransactionOver`].
#[derive(Debug)]
pub struct Transaction {
    snapshot: Arc<dyn EngineSnapshot>,
    began: Instant,
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for dyn EngineSnapshot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "snapshot of version {}", self.version())
    }
}

#[derive(Debug, Default)]
struct State {
    reads: Vec<KeyRange>,
    writes: Writes,
    bytes: usize,
    retry: bool,
    over: bool,
}

impl Transaction {
    pub(crate) fn new(snapshot: Arc<dyn EngineSnapshot>) -> Self {
        Self {
            snapshot,
            began: Instant::now(),
            state: Arc::default(),
        }
    }

    /// A second handle to the same transaction; private, so that nobody keeps one.
    pub(crate) fn lend(&self) -> Self {
        Self {
            snapshot: Arc::clone(&self.snapshot),
            began: self.began,
            state: Arc::clone(&self.state),
        }
    }

    /// The value of `key`, as this transaction sees it.
    pub async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        check_key(key)?;
        {
            let mut state = self.open()?;
            if let Some(own) = state.writes.points.get(key) {
                return Ok(own.clone());
            }
            if state.writes.cleared.iter().any(|range| range.contains(key)) {
                return Ok(None);
            }
            state.grow(2 * key.len() + 1)?;
            state.reads.push(KeyRange::point(Bytes::copy_from_slice(key)));
        }
        self.snapshot.get(key).await.map_err(|error| self.note(error))
    }

    /// Up to `limit` entries of `range`, as this transaction sees them. What was scanned is recorded as read, gaps
    /// included: a key that somebody adds there is a conflict.
    pub async fn scan(&self, range: KeyRange, direction: Direction, limit: usize) -> Result<Page, StoreError> {
        // One entry more tells whether there is more, without a second round trip.
        let (mut entries, rest) = self.collect(range, direction, limit.saturating_add(1)).await?;
        let more = if entries.len() > limit {
            entries.truncate(limit);
            true
        } else {
            !rest.is_empty() && !self.collect(rest, direction, 1).await?.0.is_empty()
        };
        Ok(Page { entries, more })
    }

    /// Up to `limit` entries, fewer when they fill a page; and the part of the range that was not looked at.
    async fn collect(
        &self,
        mut rest: KeyRange,
        direction: Direction,
        limit: usize,
    ) -> Result<(Vec<(Bytes, Bytes)>, KeyRange), StoreError> {
        let mut entries: Vec<(Bytes, Bytes)> = Vec::new();
        let mut bytes = 0;
        while !rest.is_empty() && entries.len() < limit && bytes < MAX_PAGE_BYTES {
            let found = self.snapshot.scan(&rest, direction, limit - entries.len()).await;
            let found = found.map_err(|error| self.note(error))?;
            let (seen, unseen) = split(rest, direction, &found);
            let merged = {
                let mut state = self.open()?;
                state.grow(seen.size())?;
                let merged = state.merge(&seen, direction, found.entries);
                state.reads.push(seen);
                merged
            };
            rest = unseen;
            for (key, value) in merged {
                bytes += key.len() + value.len();
                entries.push((key, value));
            }
        }
        Ok((entries, rest))
    }

    /// Sets `key` to `value` at commit.
    pub fn put(&self, key: &[u8], value: impl Into<Bytes>) -> Result<(), StoreError> {
        let value = value.into();
        if value.len() > MAX_VALUE_BYTES {
            return Err(StoreError::ValueLength { len: value.len() });
        }
        self.write(key, Some(value))
    }

    /// Removes `key` at commit; there need not be one.
    pub fn delete(&self, key: &[u8]) -> Result<(), StoreError> {
        self.write(key, None)
    }

    /// Removes every key in `range` at commit, also keys that others add until then.
    pub fn delete_range(&self, range: KeyRange) -> Result<(), StoreError> {
        if range.is_empty() {
            return Ok(());
        }
        let mut state = self.open()?;
        state.grow(range.size())?;
        let covered: Vec<Bytes> = state
            .writes
            .points
            .range(range.bounds())
            .map(|(key, _)| key.clone())
            .collect();
        for key in covered {
            state.writes.points.remove(&key);
        }
        state.writes.cleared.push(range);
        Ok(())
    }

    fn write(&self, key: &[u8], value: Option<Bytes>) -> Result<(), StoreError> {
        check_key(key)?;
        let mut state = self.open()?;
        state.grow(key.len() + value.as_ref().map_or(0, Bytes::len))?;
        state.writes.points.insert(Bytes::copy_from_slice(key), value);
        Ok(())
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = lock(&self.state);
        if state.over {
            Err(StoreError::TransactionOver)
        } else if self.began.elapsed() > MAX_TRANSACTION_AGE {
            Err(StoreError::TransactionTooLong)
        } else {
            Ok(state)
        }
    }

    /// Remembers that the closure failed for a reason that a new attempt may not meet.
    fn note(&self, error: StoreError) -> StoreError {
        lock(&self.state).retry |= error.is_retryable();
        error
    }

    /// Ends the transaction without a commit; says whether a read failed in a way that a new attempt may not.
    pub(crate) fn abandon(self) -> bool {
        let mut state = lock(&self.state);
        state.over = true;
        state.retry
    }

    /// Ends the transaction; what is to be committed, or `None` when it wrote nothing.
    pub(crate) fn finish(self, durability: Durability) -> Result<Option<Commit>, StoreError> {
        let mut state = self.open()?;
        state.over = true;
        let writes = std::mem::take(&mut state.writes);
        if writes.is_empty() {
            // Everything was read at one version: the transaction happened there.
            return Ok(None);
        }
        let reads = std::mem::take(&mut state.reads);
        Ok(Some(Commit {
            read_version: self.snapshot.version(),
            reads,
            writes,
            durability,
        }))
    }
}

impl State {
    fn grow(&mut self, bytes: usize) -> Result<(), StoreError> {
        let bytes = self.bytes + bytes;
        if bytes > MAX_TRANSACTION_BYTES {
            return Err(StoreError::TransactionTooLarge { bytes });
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Lays the own writes within `seen` over what the snapshot holds there.
    fn merge(&self, seen: &KeyRange, direction: Direction, found: Vec<(Bytes, Bytes)>) -> Vec<(Bytes, Bytes)> {
        if seen.is_empty() || self.writes.is_empty() {
            return found;
        }
        let cleared = |key: &Bytes| self.writes.cleared.iter().any(|range| range.contains(key));
        let mut merged: BTreeMap<Bytes, Bytes> = found.into_iter().filter(|(key, _)| !cleared(key)).collect();
        for (key, own) in self.writes.points.range(seen.bounds()) {
            match own {
                Some(value) => merged.insert(key.clone(), value.clone()),
                None => merged.remove(key),
            };
        }
        match direction {
            Direction::Forward => merged.into_iter().collect(),
            Direction::Reverse => merged.into_iter().rev().collect(),
        }
    }
}

/// The part of `range` that a page shows to be empty but for its entries, and the part behind.
fn split(range: KeyRange, direction: Direction, page: &Page) -> (KeyRange, KeyRange) {
    match (page.entries.last(), direction) {
        (Some((last, _)), Direction::Forward) if page.more => {
            (range.clone().before(&successor(last)), range.after(last))
        }
        (Some((last, _)), Direction::Reverse) if page.more => (
            KeyRange::from_bounds(last.clone(), range.end().cloned()),
            range.before(last),
        ),
        _ => (range, KeyRange::new("", "")),
    }
}

fn check_key(key: &[u8]) -> Result<(), StoreError> {
    if (1..=MAX_KEY_BYTES).contains(&key.len()) {
        Ok(())
    } else {
        Err(StoreError::KeyLength { len: key.len() })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves plain data behind, nothing half-changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
