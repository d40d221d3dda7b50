//! Who wants to write the same item stands in one line.
//!
//! Transactions on one item cannot overlap: all but one would conflict and run again. So the first writer of an item
//! leads; whoever comes while it commits waits, and the first of those then leads all of them in **one** transaction,
//! one after the other, with one fsync. A counter that 64 clients increment costs one commit for 64 increments.
//!
//! This is for speed alone. That nothing is lost or torn is the store's promise, which also holds against writers on
//! other nodes and transactions on several items, which do not stand in line.

use crate::Error;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a writer stands in line: twice what a commit may take.
const WAIT: Duration = Duration::from_secs(60);
/// Writes that one leader takes along at most; a transaction has a size.
const MAX_BATCH: usize = 64;
/// Locks that the lines are spread over.
const SHARDS: usize = 64;

/// Writers of one item that wait, first come first.
type Line<W, R> = Vec<Waiting<W, R>>;
type Shard<W, R> = Mutex<HashMap<Vec<u8>, Line<W, R>>>;

/// The lines, one for each item that is being written; empty when nobody writes.
pub(crate) struct Queues<W, R> {
    shards: Arc<[Shard<W, R>]>,
    hasher: RandomState,
}

struct Waiting<W, R> {
    write: W,
    turn: oneshot::Sender<Turn<W, R>>,
}

/// What a writer in line is told.
enum Turn<W, R> {
    /// It was done along with others.
    Done(Result<R, Error>),
    /// Lead: its own write is the first.
    Lead(W, Line<W, R>, Lead<W, R>),
}

/// The lead of a line with the write that opened it, or the place in one that somebody else leads.
type Joined<W, R> = Result<(W, Lead<W, R>), oneshot::Receiver<Turn<W, R>>>;

impl<W, R> Default for Queues<W, R> {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl<W, R> Queues<W, R> {
    /// Runs `write` with those of the same `key`. `run` is given writes in order and answers each in order; it is called
    /// by one leader at a time for each key.
    pub(crate) async fn submit<F>(&self, key: &[u8], write: W, run: impl Fn(Vec<W>) -> F) -> Result<R, Error>
    where
        F: Future<Output = Vec<Result<R, Error>>>,
    {
        let (write, others, lead) = match self.join(key, write) {
            Ok((write, lead)) => (write, Vec::new(), lead),
            Err(told) => match tokio::time::timeout(WAIT, told).await {
                Ok(Ok(Turn::Done(result))) => return result,
                Ok(Ok(Turn::Lead(write, others, lead))) => (write, others, lead),
                Ok(Err(_)) => return Err(Error::internal("the writer ahead in line was given up")),
                Err(_) => return Err(Error::internal("the line before an item did not move")),
            },
        };
        let (writes, turns): (Vec<W>, Vec<_>) = others.into_iter().map(|waiting| (waiting.write, waiting.turn)).unzip();
        let mut batch = Vec::with_capacity(1 + writes.len());
        batch.push(write);
        batch.extend(writes);
        let mut results = run(batch).await.into_iter();
        let own = results
            .next()
            .unwrap_or_else(|| Err(Error::internal("a write was not answered")));
        for (turn, result) in turns.into_iter().zip(results) {
            // One that has given up waiting needs no answer.
            let _ = turn.send(Turn::Done(result));
        }
        drop(lead);
        own
    }

    /// Opens a line and leads it, or waits in the one there is.
    fn join(&self, key: &[u8], write: W) -> Joined<W, R> {
        let shard = self.hasher.hash_one(key) as usize % SHARDS;
        let mut lines = lock(&self.shards[shard]);
        if let Some(line) = lines.get_mut(key) {
            let (turn, told) = oneshot::channel();
            line.push(Waiting { write, turn });
            return Err(told);
        }
        lines.insert(key.to_vec(), Vec::new());
        let lead = Lead {
            shards: Arc::clone(&self.shards),
            shard,
            key: key.to_vec(),
            leading: true,
        };
        Ok((write, lead))
    }
}

fn lock<W, R>(shard: &Shard<W, R>) -> MutexGuard<'_, HashMap<Vec<u8>, Line<W, R>>> {
    // A panic elsewhere leaves a map behind that is whole.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The place at the head of a line. Dropping it, for whatever reason, lets the next one lead.
struct Lead<W, R> {
    shards: Arc<[Shard<W, R>]>,
    shard: usize,
    key: Vec<u8>,
    leading: bool,
}

impl<W, R> Lead<W, R> {
    /// Who leads next and whom it takes along; closes the line when nobody waits.
    fn next(&self) -> Option<(Waiting<W, R>, Line<W, R>)> {
        let mut lines = lock(&self.shards[self.shard]);
        let line = lines.get_mut(&self.key)?;
        let mut batch = line.drain(..line.len().min(MAX_BATCH));
        if let Some(first) = batch.next() {
            return Some((first, batch.collect()));
        }
        drop(batch);
        lines.remove(&self.key);
        None
    }

    fn put_back(&self, waiting: Line<W, R>) {
        if let Some(line) = lock(&self.shards[self.shard]).get_mut(&self.key) {
            line.splice(0..0, waiting);
        }
    }
}

impl<W, R> Drop for Lead<W, R> {
    fn drop(&mut self) {
        if !std::mem::take(&mut self.leading) {
            return;
        }
        while let Some((first, rest)) = self.next() {
            let lead = Self {
                shards: Arc::clone(&self.shards),
                shard: self.shard,
                key: std::mem::take(&mut self.key),
                leading: true,
            };
            let Err(Turn::Lead(_, rest, mut lead)) = first.turn.send(Turn::Lead(first.write, rest, lead)) else {
                return;
            };
            // It has given up waiting: the one behind it leads.
            lead.leading = false;
            self.key = std::mem::take(&mut lead.key);
            self.put_back(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Semaphore;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn those_who_wait_go_together_and_all_are_answered() {
        let queues = Arc::new(Queues::<usize, usize>::default());
        let (gate, runs) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let submit = |number: usize| {
            let (queues, gate, runs) = (Arc::clone(&queues), Arc::clone(&gate), Arc::clone(&runs));
            tokio::spawn(async move {
                queues
                    .submit(b"item", number, async |batch: Vec<usize>| {
                        runs.fetch_add(1, Ordering::SeqCst);
                        gate.acquire().await.unwrap().forget();
                        batch.into_iter().map(Ok).collect()
                    })
                    .await
            })
        };
        let first = submit(0);
        while runs.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let others: Vec<_> = (1..=50).map(submit).collect();
        let waiting = || {
            queues
                .shards
                .iter()
                .map(|shard| lock(shard).values().map(Vec::len).sum::<usize>())
                .sum::<usize>()
        };
        while waiting() < 50 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(2);
        assert_eq!(first.await.unwrap().unwrap(), 0);
        for (number, other) in others.into_iter().enumerate() {
            assert_eq!(other.await.unwrap().unwrap(), number + 1);
        }
        assert_eq!(runs.load(Ordering::SeqCst), 2);
        assert!(queues.shards.iter().all(|shard| lock(shard).is_empty()));
    }

    #[tokio::test]
    async fn a_leader_that_is_dropped_blocks_nobody() {
        let queues = Queues::<usize, usize>::default();
        let never = async |_: Vec<usize>| std::future::pending::<Vec<Result<usize, Error>>>().await;
        let led = tokio::time::timeout(Duration::from_millis(1), queues.submit(b"item", 1, never)).await;
        assert!(led.is_err());
        let answer = async |batch: Vec<usize>| batch.into_iter().map(Ok).collect();
        assert_eq!(queues.submit(b"item", 2, answer).await.unwrap(), 2);
    }
}
