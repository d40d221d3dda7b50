use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

use bytes::Bytes;
use lsm_tree::compaction::Leveled;
use lsm_tree::config::PartitioningPolicy;
use lsm_tree::{AbstractTree, AnyTree, Cache, Config, DescriptorTable, Guard, IterGuardImpl, SequenceNumberCounter};

use super::EmbeddedOptions;
use super::log;
use crate::{Direction, KeyRange, MAX_PAGE_BYTES, Page, StoreError};

/// Full memtables that may wait to become tables before commits wait for them.
const MAX_SEALED: usize = 3;
/// Runs in the first level at which commits wait for compaction.
const MAX_RUNS: usize = 24;
/// Compactions tried after each flush: one may cascade down the levels.
const COMPACTIONS: usize = 4;
/// Table files kept open.
const OPEN_FILES: usize = 256;
/// Levels whose tables have an index in parts: all but the first, and the last value is that of those below. While a
/// table is written, its index holds the last key of each block, and with it the block that the key was read from: in
/// one part that is all of the merged data, uncompressed.
const PARTITIONED: [bool; 2] = [false, true];

/// The writes of a group: the last one of each key.
pub(crate) type Batch = BTreeMap<Bytes, Option<Bytes>>;

/// The data: a log-structured merge tree whose memtables the log makes durable, and the threads that tend it.
pub(crate) struct Tree {
    tree: AnyTree,
    sequence: SequenceNumberCounter,
    /// Views by age, for finding the oldest that is still read from.
    views: VecDeque<(u64, Weak<View>)>,
    tending: Arc<Tending>,
    flushes: Option<Sender<Vec<u64>>>,
    threads: Vec<JoinHandle<()>>,
}

/// What the tree's threads and the committer share.
struct Tending {
    log_dir: PathBuf,
    /// Sequence number below which nobody reads.
    watermark: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    failed: Option<String>,
    spare: Option<PathBuf>,
    sealed: usize,
}

/// The data at one moment.
pub(crate) struct View {
    tree: AnyTree,
    instant: u64,
}

impl Tree {
    pub(crate) fn open(dir: &Path, log_dir: &Path, options: &EmbeddedOptions) -> Result<Self, StoreError> {
        let sequence = SequenceNumberCounter::default();
        let tree = Config::new(dir, sequence.clone(), SequenceNumberCounter::default())
            .use_cache(Arc::new(Cache::with_capacity_bytes(options.cache_bytes)))
            .use_descriptor_table(Some(Arc::new(DescriptorTable::new(OPEN_FILES))))
            .index_block_partitioning_policy(PartitioningPolicy::new(PARTITIONED))
            .open()
            .map_err(unreadable)?;
        sequence.fetch_max(tree.get_highest_persisted_seqno().unwrap_or(0) + 1);
        let tending = Arc::new(Tending {
            log_dir: log_dir.to_path_buf(),
            watermark: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let (flushes, to_flush) = channel();
        let (compactions, to_compact) = channel();
        let flusher = {
            let (tree, tending) = (tree.clone(), Arc::clone(&tending));
            spawn("store-flush", move || flush(&tree, &tending, to_flush, compactions))?
        };
        let compactor = {
            let (tree, tending) = (tree.clone(), Arc::clone(&tending));
            spawn("store-compact", move || compact(&tree, &tending, to_compact))?
        };
        let threads = vec![flusher, compactor];
        Ok(Self {
            tree,
            sequence,
            views: VecDeque::new(),
            tending,
            flushes: Some(flushes),
            threads,
        })
    }

    /// Makes all of `batch` visible to later views, in one step. It is in memory only: the log makes it durable.
    pub(crate) fn apply(&mut self, batch: Batch) {
        let sequence = self.sequence.next();
        for (key, value) in batch {
            match value {
                Some(value) => self.tree.insert(key, value, sequence),
                None => self.tree.remove(key, sequence),
            };
        }
    }

    /// The data as it is now.
    pub(crate) fn view(&mut self) -> Arc<View> {
        let view = Arc::new(View {
            tree: self.tree.clone(),
            instant: self.sequence.get(),
        });
        self.views.push_back((view.instant, Arc::downgrade(&view)));
        while self.views.front().is_some_and(|(_, view)| view.strong_count() == 0) {
            self.views.pop_front();
        }
        let oldest = self.views.front().map_or(view.instant, |(instant, _)| *instant);
        self.tending.watermark.store(oldest, Ordering::Release);
        view
    }

    /// Hands what is in memory to the flusher, which retires `segments` afterwards. Waits while it is far behind.
    pub(crate) fn seal(&mut self, segments: Vec<u64>) -> Result<(), String> {
        self.tree.rotate_memtable();
        let mut state = self.tending.state();
        state.sealed += 1;
        if let Some(flushes) = &self.flushes {
            // The flusher ends only with its sender, or after it has noted a failure.
            let _ = flushes.send(segments);
        }
        while state.failed.is_none() && (state.sealed > MAX_SEALED || self.tree.l0_run_count() > MAX_RUNS) {
            state = self.tending.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.failed.clone().map_or(Ok(()), Err)
    }

    /// A retired log segment to write over.
    pub(crate) fn take_spare(&self) -> Option<PathBuf> {
        self.tending.state().spare.take()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.flushes = None;
        for thread in self.threads.drain(..) {
            // A panic in it has been reported already.
            let _ = thread.join();
        }
    }
}

impl Tending {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves plain data behind, nothing half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, reason: String) {
        tracing::error!(%reason, "the store cannot write its tables");
        self.state().failed.get_or_insert(reason);
        self.changed.notify_all();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    Ok(std::thread::Builder::new().name(name.into()).spawn(run)?)
}

fn flush(tree: &AnyTree, tending: &Tending, segments: Receiver<Vec<u64>>, compactions: Sender<()>) {
    for segments in segments {
        let flushed = tree.flush(&tree.get_flush_lock(), tending.watermark.load(Ordering::Acquire));
        if let Err(error) = flushed {
            return tending.fail(format!("flush: {error}"));
        }
        for segment in segments {
            let keep = tending.state().spare.is_none();
            match log::retire(&tending.log_dir, segment, keep) {
                Ok(Some(spare)) => tending.state().spare = Some(spare),
                Ok(None) => {}
                Err(error) => return tending.fail(format!("log segment {segment}: {error}")),
            }
        }
        tending.state().sealed -= 1;
        tending.changed.notify_all();
        // The compactor ends only with its sender, or after it has noted a failure.
        let _ = compactions.send(());
    }
}

fn compact(tree: &AnyTree, tending: &Tending, wanted: Receiver<()>) {
    let strategy = Arc::new(Leveled::default());
    for () in wanted {
        for _ in 0..COMPACTIONS {
            if let Err(error) = tree.compact(strategy.clone(), tending.watermark.load(Ordering::Acquire)) {
                return tending.fail(format!("compaction: {error}"));
            }
        }
        tending.changed.notify_all();
    }
}

impl View {
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.tree.get(key, self.instant).map_err(unreadable)?.map(Bytes::from))
    }

    pub(crate) fn scan(&self, range: &KeyRange, direction: Direction, limit: usize) -> Result<Page, StoreError> {
        if range.is_empty() {
            return Ok(Page::default());
        }
        let entries = self.tree.range(range.bounds(), self.instant, None);
        match direction {
            Direction::Forward => page(entries, limit),
            Direction::Reverse => page(entries.rev(), limit),
        }
    }

    /// Every key in `range`.
    pub(crate) fn keys(&self, range: &KeyRange) -> Result<Vec<Bytes>, StoreError> {
        let entries = self.tree.range(range.bounds(), self.instant, None);
        entries
            .map(|entry| entry.key().map(Bytes::from).map_err(unreadable))
            .collect()
    }
}

fn page(entries: impl Iterator<Item = IterGuardImpl>, limit: usize) -> Result<Page, StoreError> {
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

fn unreadable(error: lsm_tree::Error) -> StoreError {
    match error {
        lsm_tree::Error::Io(error) => error.into(),
        other => StoreError::Corrupt(other.to_string()),
    }
}
