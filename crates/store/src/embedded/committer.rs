use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use super::folder::Folder;
use super::history::{History, Verdict};
use super::log::Log;
use super::tree::{Batch, Tree, View};
use crate::engine::{Commit, Durability, EngineSnapshot};
use crate::{Direction, KeyRange, Page, StoreError};

/// Bytes of writes that one fsync covers at most.
const MAX_GROUP_BYTES: usize = 16 << 20;
/// Kibibytes of writes that may wait; who brings more waits before queueing.
const QUEUE_KIB: u32 = 64 << 10;
/// How often an idle engine forgets the commits of its past.
const IDLE_TICK: Duration = Duration::from_secs(1);
/// Longest wait for a group to fill; see [`Worker::linger`].
const MAX_LINGER: Duration = Duration::from_millis(1);

/// Orders commits: a thread of its own that validates, writes and syncs them in groups.
///
/// While one group is being synced the next one gathers, so the size of the groups follows the load.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    room: Semaphore,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    published: RwLock<Published>,
}

struct Queue {
    waiting: Vec<Waiting>,
    /// How many the committer waits for, once there is one.
    wanted: usize,
    closing: bool,
}

struct Waiting {
    commit: Commit,
    outcome: oneshot::Sender<Result<(), StoreError>>,
}

/// A commit that passed and is to be acknowledged as it asked.
struct Accepted {
    durability: Durability,
    outcome: oneshot::Sender<Result<(), StoreError>>,
}

enum Published {
    Open(Arc<PublishedView>),
    Closed,
}

/// What readers see: everything up to `version`.
pub(crate) struct PublishedView {
    version: u64,
    view: Arc<View>,
}

/// Resolves when the commit is decided; holds its share of the queue until then.
pub(crate) struct Outcome<'c> {
    receiver: oneshot::Receiver<Result<(), StoreError>>,
    _room: SemaphorePermit<'c>,
}

impl Future for Outcome<'_> {
    type Output = Result<Result<(), StoreError>, oneshot::error::RecvError>;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.receiver).poll(context)
    }
}

impl Committer {
    pub(crate) fn start(mut tree: Tree, log: Log, folder: Folder, relaxed_flush: Duration) -> Result<Self, StoreError> {
        let first = Arc::new(PublishedView {
            version: 0,
            view: tree.view(),
        });
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                waiting: Vec::new(),
                wanted: usize::MAX,
                closing: false,
            }),
            arrived: Condvar::new(),
            published: RwLock::new(Published::Open(first)),
        });
        let worker = Worker {
            shared: Arc::clone(&shared),
            tree,
            log,
            history: History::new(0),
            version: 0,
            undurable_since: None,
            stopped: None,
            last_group: 0,
            sync_time: Duration::ZERO,
            relaxed_flush,
            _folder: folder,
        };
        let thread = std::thread::Builder::new()
            .name("store-commit".into())
            .spawn(move || worker.run())?;
        Ok(Self {
            shared,
            room: Semaphore::new(QUEUE_KIB as usize),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Queues a commit. Once queued, it is decided even if nobody waits for the outcome.
    pub(crate) async fn submit(&self, commit: Commit) -> Result<Outcome<'_>, StoreError> {
        let kib = u32::try_from(commit.writes.size() / 1024 + 1)
            .unwrap_or(QUEUE_KIB)
            .min(QUEUE_KIB);
        let room = self.room.acquire_many(kib).await.map_err(|_| StoreError::Closed)?;
        let (sender, receiver) = oneshot::channel();
        let mut queue = lock(&self.shared.queue);
        if queue.closing {
            return Err(StoreError::Closed);
        }
        queue.waiting.push(Waiting {
            commit,
            outcome: sender,
        });
        let enough = queue.waiting.len() == 1 || queue.waiting.len() >= queue.wanted;
        drop(queue);
        if enough {
            self.shared.arrived.notify_one();
        }
        Ok(Outcome { receiver, _room: room })
    }

    /// What readers see now.
    pub(crate) fn published(&self) -> Result<Arc<PublishedView>, StoreError> {
        match &*self.shared.published.read().unwrap_or_else(PoisonError::into_inner) {
            Published::Open(view) => Ok(Arc::clone(view)),
            Published::Closed => Err(StoreError::Closed),
        }
    }

    pub(crate) async fn close(&self) {
        let Some(thread) = self.begin_close() else { return };
        // The thread ends by itself after its last group; a panic in it has been reported already.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }

    fn begin_close(&self) -> Option<JoinHandle<()>> {
        lock(&self.shared.queue).closing = true;
        self.shared.arrived.notify_one();
        lock(&self.thread).take()
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        if let Some(thread) = self.begin_close() {
            let _ = thread.join();
        }
    }
}

#[async_trait]
impl EngineSnapshot for PublishedView {
    fn version(&self) -> u64 {
        self.version
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.view.get(key)
    }

    async fn scan(&self, range: &KeyRange, direction: Direction, limit: usize) -> Result<Page, StoreError> {
        self.view.scan(range, direction, limit)
    }
}

struct Worker {
    shared: Arc<Shared>,
    tree: Tree,
    log: Log,
    history: History,
    /// The version of the newest commit that was ordered.
    version: u64,
    undurable_since: Option<Instant>,
    stopped: Option<String>,
    /// Commits in the newest group.
    last_group: usize,
    /// How long the newest sync took.
    sync_time: Duration,
    relaxed_flush: Duration,
    _folder: Folder,
}

impl Worker {
    fn run(mut self) {
        loop {
            let (group, closing) = self.gather();
            if !group.is_empty() {
                self.commit(group);
            }
            let overdue = self
                .undurable_since
                .is_some_and(|since| closing || since.elapsed() >= self.relaxed_flush);
            if overdue && let Err(reason) = self.sync() {
                self.stop(reason);
            }
            self.history.forget();
            if closing && lock(&self.shared.queue).waiting.is_empty() {
                break;
            }
        }
    }

    /// Waits for commits, for the time to sync relaxed ones, or for the end.
    fn gather(&mut self) -> (Vec<Waiting>, bool) {
        let patience = match self.undurable_since {
            Some(since) => Some(self.relaxed_flush.saturating_sub(since.elapsed())),
            None if !self.history.is_empty() => Some(IDLE_TICK),
            None => None,
        };
        let mut queue = lock(&self.shared.queue);
        let company = self.last_group + queue.waiting.len();
        if queue.waiting.is_empty() && !queue.closing {
            queue = match patience {
                Some(patience) => wait(&self.shared.arrived, queue, patience),
                None => self.shared.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
        if queue
            .waiting
            .iter()
            .any(|waiting| waiting.commit.durability == Durability::Durable)
        {
            queue = self.linger(queue, company);
        }
        let mut bytes = 0;
        let fits = queue.waiting.iter().take_while(|waiting| {
            let first = bytes == 0;
            bytes += waiting.commit.writes.size();
            first || bytes <= MAX_GROUP_BYTES
        });
        let count = fits.count();
        self.last_group = count;
        (queue.waiting.drain(..count).collect(), queue.closing)
    }

    /// Waits a fraction of a sync for those who came with the last group or during it: most come back at once, and
    /// would otherwise just miss the sync that the first of them sets off.
    fn linger<'q>(&self, mut queue: MutexGuard<'q, Queue>, company: usize) -> MutexGuard<'q, Queue> {
        let budget = (self.sync_time / 2).min(MAX_LINGER);
        let begun = Instant::now();
        queue.wanted = company;
        while queue.waiting.len() < company && !queue.closing {
            let Some(left) = budget.checked_sub(begun.elapsed()).filter(|left| !left.is_zero()) else {
                break;
            };
            queue = wait(&self.shared.arrived, queue, left);
        }
        queue.wanted = usize::MAX;
        queue
    }

    /// Orders a group, puts it on disk, makes it visible and only then acknowledges it.
    fn commit(&mut self, group: Vec<Waiting>) {
        let mut accepted = Vec::with_capacity(group.len());
        let result = self
            .order(group, &mut accepted)
            .and_then(|batch| self.write(batch, &accepted));
        if let Err(reason) = &result {
            self.stop(reason.clone());
        }
        for Accepted { outcome, .. } in accepted {
            // Who gave up waiting does not need the answer.
            let _ = outcome.send(result.clone().map_err(StoreError::Stopped));
        }
        if self.stopped.is_none()
            && self.log.is_full()
            && let Err(reason) = self.begin_segment()
        {
            self.stop(reason);
        }
    }

    /// Goes on in another log segment and lets what the full one covers become a table.
    fn begin_segment(&mut self) -> Result<(), String> {
        let sealed = self
            .log
            .rotate(self.tree.take_spare())
            .map_err(|error| format!("log: {error}"))?;
        self.undurable_since = None;
        self.tree.seal(vec![sealed])
    }

    fn write(&mut self, batch: Batch, accepted: &[Accepted]) -> Result<(), String> {
        if accepted.is_empty() {
            return Ok(());
        }
        if !batch.is_empty() {
            self.log.append(&batch).map_err(|error| format!("log: {error}"))?;
            self.undurable_since.get_or_insert_with(Instant::now);
        }
        if accepted
            .iter()
            .any(|accepted| accepted.durability == Durability::Durable)
        {
            self.sync()?;
        }
        self.tree.apply(batch);
        let view = Arc::new(PublishedView {
            version: self.version,
            view: self.tree.view(),
        });
        *self.shared.published.write().unwrap_or_else(PoisonError::into_inner) = Published::Open(view);
        Ok(())
    }

    /// Validates the group in order; what passes is accepted and goes into the batch.
    fn order(&mut self, group: Vec<Waiting>, accepted: &mut Vec<Accepted>) -> Result<Batch, String> {
        let mut batch: Batch = BTreeMap::new();
        let mut failed = self.stopped.clone();
        // One version for the group, because readers never see a part of it.
        let version = self.version + 1;
        for Waiting { commit, outcome } in group {
            let refusal = match (&failed, self.history.check(commit.read_version, &commit.reads)) {
                (Some(reason), _) => Some(StoreError::Stopped(reason.clone())),
                (None, Verdict::Unchanged) => None,
                (None, Verdict::Changed) => Some(StoreError::Conflict),
                (None, Verdict::Forgotten) => Some(StoreError::SnapshotTooOld),
            };
            if let Some(error) = refusal {
                let _ = outcome.send(Err(error));
                continue;
            }
            self.version = version;
            self.history.record(version, &commit.writes);
            accepted.push(Accepted {
                durability: commit.durability,
                outcome,
            });
            failed = self.clear(&commit.writes.cleared, &mut batch).err();
            batch.extend(commit.writes.points);
        }
        failed.map_or(Ok(batch), Err)
    }

    /// Adds the removal of every key in `ranges` to the batch: those on disk and those that the group itself wrote.
    fn clear(&mut self, ranges: &[KeyRange], batch: &mut Batch) -> Result<(), String> {
        if ranges.is_empty() {
            return Ok(());
        }
        let view = self.tree.view();
        for range in ranges.iter().filter(|range| !range.is_empty()) {
            for (_, value) in batch.range_mut(range.bounds()) {
                *value = None;
            }
            let keys = view.keys(range).map_err(|error| error.to_string())?;
            batch.extend(keys.into_iter().map(|key| (key, None)));
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), String> {
        if let Some(reason) = &self.stopped {
            return Err(reason.clone());
        }
        let begun = Instant::now();
        self.log.sync().map_err(|error| format!("fsync: {error}"))?;
        self.sync_time = begun.elapsed();
        self.undurable_since = None;
        Ok(())
    }

    fn stop(&mut self, reason: String) {
        if self.stopped.is_none() {
            tracing::error!(%reason, "the store stops: a write failed");
            self.stopped = Some(reason);
        }
        self.undurable_since = None;
    }
}

impl Drop for Worker {
    /// Also when the thread panics: nobody waits for an answer that cannot come.
    fn drop(&mut self) {
        let mut queue = lock(&self.shared.queue);
        queue.closing = true;
        queue.waiting.clear();
        drop(queue);
        *self.shared.published.write().unwrap_or_else(PoisonError::into_inner) = Published::Closed;
    }
}

fn wait<'q>(arrived: &Condvar, queue: MutexGuard<'q, Queue>, patience: Duration) -> MutexGuard<'q, Queue> {
    arrived
        .wait_timeout(queue, patience)
        .unwrap_or_else(PoisonError::into_inner)
        .0
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves plain data behind, nothing half-changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
