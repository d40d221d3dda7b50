//! Removes what is gone: the data of deleted groups and streams, and events past their group's retention.
//!
//! Every step is one small transaction that can be done twice, so several nodes may sweep at the same time, and a sweep
//! that a crash cuts off goes on at the next start.

use crate::append::usage;
use crate::chunk::{Header, IndexEntry};
use crate::error::LogsError;
use crate::keys;
use crate::position::Position;
use crate::records::{GroupRecord, StreamRecord};
use bytes::Bytes;
use danbi_core::Clock;
use danbi_store::{Direction, KeyRange, Store, Transaction};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Keys or chunks removed in one transaction.
const STEP: usize = 256;

/// The background owner of removal.
pub(crate) struct Sweeper {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) wake: Arc<Notify>,
    /// How long to rest when nobody wakes it.
    pub(crate) interval: Duration,
}

/// A chunk to remove.
#[derive(Debug, Clone, Copy)]
struct Doomed {
    at: Position,
    stored_bytes: u64,
}

impl Sweeper {
    /// Sweeps at once, whenever it is woken and at each interval, until it is aborted.
    pub(crate) async fn run(self) {
        loop {
            if let Err(error) = self.sweep().await {
                tracing::warn!(%error, "logs: removing old events failed; it is tried again later");
            }
            // Either way it is time.
            let _ = timeout(self.interval, self.wake.notified()).await;
        }
    }

    /// One round.
    pub(crate) async fn sweep(&self) -> Result<(), LogsError> {
        self.empty_trash().await?;
        let mut rest = keys::all_groups();
        loop {
            let page = self
                .store
                .snapshot()
                .await?
                .scan(rest.clone(), Direction::Forward, STEP)
                .await?;
            for (_, value) in &page.entries {
                let group: GroupRecord = serde_json::from_slice(value)?;
                if group.retention_days.is_some() {
                    self.expire(group.id, group.expired_before(self.clock.now().as_millis()))
                        .await?;
                }
            }
            match page.entries.last() {
                Some((last, _)) if page.more => rest = rest.after(last),
                _ => return Ok(()),
            }
        }
    }

    async fn empty_trash(&self) -> Result<(), LogsError> {
        loop {
            let page = self
                .store
                .snapshot()
                .await?
                .scan(keys::all_trash(), Direction::Forward, STEP)
                .await?;
            for (key, _) in &page.entries {
                match keys::trashed(key)? {
                    (group, None) => self.remove_all(keys::group_data(group)).await?,
                    (group, Some(stream)) => self.remove_stream(group, stream).await?,
                }
                self.store
                    .transact_relaxed(async |tx| {
                        tx.delete(key)?;
                        Ok::<_, LogsError>(())
                    })
                    .await?;
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn remove_all(&self, range: KeyRange) -> Result<(), LogsError> {
        loop {
            let page = self
                .store
                .snapshot()
                .await?
                .scan(range.clone(), Direction::Forward, STEP)
                .await?;
            let found = &page.entries;
            self.store
                .transact_relaxed(async |tx| {
                    for (key, _) in found {
                        tx.delete(key)?;
                    }
                    Ok::<_, LogsError>(())
                })
                .await?;
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn remove_stream(&self, group: u64, stream: u64) -> Result<(), LogsError> {
        loop {
            let snapshot = self.store.snapshot().await?;
            let page = snapshot
                .scan(keys::stream_index(group, stream), Direction::Forward, STEP)
                .await?;
            let mut doomed = Vec::with_capacity(page.entries.len());
            for (key, value) in &page.entries {
                let stored_bytes = IndexEntry::decode(value)?.stored_bytes;
                doomed.push(Doomed {
                    at: keys::index_position(key)?,
                    stored_bytes,
                });
            }
            self.remove_chunks(group, &doomed).await?;
            if !page.more {
                return Ok(());
            }
        }
    }

    /// Removes the chunks of a group whose events are all before `cutoff`.
    async fn expire(&self, group: u64, cutoff: i64) -> Result<(), LogsError> {
        let all = keys::chunks(group);
        let mut rest = all.before(&keys::chunk(group, Position::at(cutoff)));
        loop {
            let page = self
                .store
                .snapshot()
                .await?
                .scan(rest.clone(), Direction::Forward, STEP)
                .await?;
            let mut doomed = Vec::new();
            for (key, value) in &page.entries {
                let (header, _) = Header::read(value)?;
                if header.last < cutoff {
                    let at = keys::chunk_position(key)?;
                    let entry = self.store.snapshot().await?.get(&keys::index(group, at)).await?;
                    let stored_bytes = entry.map_or(Ok(0), |entry| {
                        IndexEntry::decode(&entry).map(|entry| entry.stored_bytes)
                    })?;
                    doomed.push(Doomed { at, stored_bytes });
                }
            }
            self.remove_chunks(group, &doomed).await?;
            match page.entries.last() {
                Some((last, _)) if page.more => rest = rest.after(last),
                _ => return Ok(()),
            }
        }
    }

    async fn remove_chunks(&self, group: u64, doomed: &[Doomed]) -> Result<(), LogsError> {
        if doomed.is_empty() {
            return Ok(());
        }
        self.store
            .transact_relaxed(async |tx| {
                let mut freed = 0;
                for chunk in doomed {
                    // Another sweep may have been faster; its bytes are counted once.
                    if tx.get(&keys::index(group, chunk.at)).await?.is_none() {
                        continue;
                    }
                    freed += chunk.stored_bytes;
                    tx.delete(&keys::chunk(group, chunk.at))?;
                    tx.delete(&keys::index(group, chunk.at))?;
                    tx.delete_range(keys::all_more(group, chunk.at))?;
                }
                let key = keys::usage(group);
                let Some(before) = tx.get(&key).await? else {
                    return Ok(());
                };
                tx.put(&key, usage(Some(before)).saturating_sub(freed).to_be_bytes().to_vec())?;
                let streams: BTreeSet<u64> = doomed.iter().map(|chunk| chunk.at.stream).collect();
                for stream in streams {
                    settle_stream(&tx, group, stream).await?;
                }
                Ok::<_, LogsError>(())
            })
            .await
    }
}

/// Lets a stream's record say what is left of its events.
async fn settle_stream(tx: &Transaction, group: u64, stream: u64) -> Result<(), LogsError> {
    let Some(name) = tx.get(&keys::name(group, stream)).await? else {
        return Ok(());
    };
    let name = String::from_utf8_lossy(&name).into_owned();
    let key = keys::stream(group, &name);
    let Some(bytes) = tx.get(&key).await? else {
        return Ok(());
    };
    let mut record: StreamRecord = serde_json::from_slice(&bytes)?;
    let Some(mut span) = record.span else { return Ok(()) };
    let left = tx
        .scan(keys::stream_index(group, stream), Direction::Forward, 1)
        .await?;
    match left.entries.first() {
        Some((first, _)) => {
            span.first = keys::index_position(first)?.timestamp;
            record.span = Some(span);
        }
        None => {
            tx.delete(&keys::recent(group, record.last_event(), &name))?;
            record.span = None;
            tx.put(&keys::recent(group, record.last_event(), &name), Bytes::new())?;
        }
    }
    tx.put(&key, serde_json::to_vec(&record)?)?;
    Ok(())
}
