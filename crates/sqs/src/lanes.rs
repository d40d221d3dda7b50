//! Who waits for the messages of a queue, and when they are looked for.
//!
//! Receivers of the same queue on one node do not compete: one task per queue claims for all who wait, in their order, and
//! hands out what it gets. When there is nothing, it sleeps until somebody says that something was sent here, until what
//! is in flight or delayed becomes visible, or until it is time to see what other nodes have sent.
//!
//! Entries that were taken away leave traces in the store until it compacts them, all at the front of the range that a
//! claim reads. So the task remembers before which time nothing is left, and only every [`LOOK_EVERY`] reads from the very
//! beginning, for what others may have put there.

use crate::claim::{self, Round, Taken, Want};
use crate::names::QueueName;
use crate::records::Read;
use crate::{Error, Sqs, keys, settle};
use danbi_store::KeyRange;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How often a queue that somebody waits for is looked through from its beginning.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a queue's task stays when nobody waits.
const LINGER: Duration = Duration::from_secs(30);
/// Receivers whose claims are one transaction.
const MOST_AT_ONCE: usize = 16;
/// A receiver is answered within its wait and the time of a claim; longer than that it never waits.
const MAX_WAIT: Duration = Duration::from_secs(90);

type Answer = Result<Vec<Taken>, Error>;

/// One receiver that waits.
struct Ask {
    want: Want,
    until: Instant,
    answer: oneshot::Sender<Answer>,
}

/// A queue that somebody receives from.
struct Lane {
    asks: Mutex<Vec<Ask>>,
    /// The earliest time at which this node made something visible since the last look.
    lowered: AtomicI64,
    changed: Notify,
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            asks: Mutex::default(),
            lowered: AtomicI64::new(i64::MAX),
            changed: Notify::new(),
        }
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Lanes {
    lanes: Mutex<HashMap<QueueName, Arc<Lane>>>,
    tasks: Mutex<JoinSet<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves nothing behind that is half-changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lanes {
    /// Something becomes visible in `queue` at `at_ms`.
    pub(crate) fn touch(&self, queue: &QueueName, at_ms: i64) {
        let lane = lock(&self.lanes).get(queue).cloned();
        if let Some(lane) = lane {
            lane.lowered.fetch_min(at_ms, Ordering::SeqCst);
            lane.changed.notify_one();
        }
    }

    /// Ends once everybody was answered; the service must be closing.
    pub(crate) async fn drain(&self) {
        for lane in lock(&self.lanes).values() {
            lane.changed.notify_one();
        }
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::warn!(%error, "a queue's receivers did not end well");
            }
        }
    }
}

/// Waits in line for messages of `queue`, at most `wait`; nothing when there were none. Dropping the future leaves the
/// line, and what was claimed for it meanwhile becomes visible again.
pub(crate) async fn wait(sqs: &Arc<Sqs>, queue: &QueueName, want: Want, wait: Duration) -> Answer {
    let (answer, answered) = oneshot::channel();
    let ask = Ask {
        want,
        until: Instant::now() + wait,
        answer,
    };
    {
        let mut lanes = lock(&sqs.lanes.lanes);
        let lane = match lanes.get(queue) {
            Some(lane) => Arc::clone(lane),
            None => {
                let lane = Arc::<Lane>::default();
                lanes.insert(queue.clone(), Arc::clone(&lane));
                let mut tasks = lock(&sqs.lanes.tasks);
                while tasks.try_join_next().is_some() {}
                tasks.spawn(drive(Arc::clone(sqs), queue.clone(), Arc::clone(&lane)));
                lane
            }
        };
        lock(&lane.asks).push(ask);
        lane.changed.notify_one();
    }
    match tokio::time::timeout(wait + MAX_WAIT, answered).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Ok(Vec::new()),
        Err(_) => Err(Error::internal("a queue's receivers are not served")),
    }
}

/// Takes its queue out of the map when it ends, however that comes.
struct Place(Arc<Sqs>, QueueName, Arc<Lane>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut lanes = lock(&self.0.lanes.lanes);
        if lanes.get(&self.1).is_some_and(|lane| Arc::ptr_eq(lane, &self.2)) {
            lanes.remove(&self.1);
        }
    }
}

/// Serves the receivers of one queue until nobody has come for a while.
async fn drive(sqs: Arc<Sqs>, name: QueueName, lane: Arc<Lane>) {
    let place = Place(sqs, name, lane);
    let Place(sqs, name, lane) = &place;
    let mut waiting: Vec<Ask> = Vec::new();
    let (mut floor, mut looked) = (i64::MIN, None::<Instant>);
    loop {
        waiting.append(&mut lock(&lane.asks));
        waiting.retain(|ask| !ask.answer.is_closed());
        if sqs.is_closing() {
            return;
        }
        if waiting.is_empty() {
            tokio::select! {
                () = lane.changed.notified() => continue,
                () = sqs.closed() => return,
                () = tokio::time::sleep(LINGER) => {}
            }
            // Nobody can come between this look and the end: whoever comes holds the map.
            let mut lanes = lock(&sqs.lanes.lanes);
            if lock(&lane.asks).is_empty() {
                lanes.remove(name);
                return;
            }
            continue;
        }
        let serving = waiting.len().min(MOST_AT_ONCE);
        // Taken before the look: what comes after it lowers the floor for the next one.
        let lowered = lane.lowered.swap(i64::MAX, Ordering::SeqCst);
        let from = match looked {
            Some(at) if at.elapsed() < LOOK_EVERY => floor.min(lowered),
            _ => {
                looked = Some(Instant::now());
                i64::MIN
            }
        };
        let wants: Vec<Want> = waiting[..serving].iter().map(|ask| ask.want.clone()).collect();
        let round = match claim::claim(sqs, name, from, &wants).await {
            Ok(round) => round,
            Err(error) => {
                refuse(waiting.drain(..serving), error);
                floor = i64::MIN;
                looked = None;
                continue;
            }
        };
        floor = round.floor_ms;
        for (queue, at) in &round.touched {
            sqs.touch(queue, *at);
        }
        let exhausted = round.exhausted;
        let served = hand_out(sqs, name, &mut waiting, serving, round).await;
        if served || !exhausted || waiting.is_empty() || !lock(&lane.asks).is_empty() {
            continue;
        }
        sleep(sqs, name, lane, &waiting).await;
    }
}

/// Answers those who got something, and those whose time is over; whether anybody was.
async fn hand_out(sqs: &Sqs, name: &QueueName, waiting: &mut Vec<Ask>, serving: usize, mut round: Round) -> bool {
    let mut still = Vec::with_capacity(waiting.len());
    let mut left = Vec::new();
    let mut served = false;
    let mut shares = round.shares.iter_mut();
    for (at, ask) in waiting.drain(..).enumerate() {
        let share = shares.next().map(std::mem::take).unwrap_or_default();
        // All of them had come before the look, so what it found to be empty is empty for those behind as well.
        let is_over = (at < serving || round.exhausted) && ask.until <= Instant::now();
        if share.is_empty() && !is_over {
            still.push(ask);
            continue;
        }
        served = true;
        if let Err(Ok(share)) = ask.answer.send(Ok(share)) {
            // The client has left.
            left.extend(share);
        }
    }
    *waiting = still;
    if !left.is_empty()
        && let Err(error) = settle::give_back(sqs, name, &left).await
    {
        tracing::warn!(%error, "messages of a receiver that left stay invisible until their time is over");
    }
    served
}

fn refuse(asks: impl Iterator<Item = Ask>, error: Error) {
    let again = |error: &Error| match error {
        Error::NoQueue => Error::NoQueue,
        other => Error::internal(other),
    };
    for ask in asks {
        // One that has left needs no answer.
        let _ = ask.answer.send(Err(again(&error)));
    }
}

/// Waits for a reason to look again.
async fn sleep(sqs: &Sqs, name: &QueueName, lane: &Lane, waiting: &[Ask]) {
    let mut wake = Instant::now() + LOOK_EVERY;
    if let Some(first) = waiting.iter().map(|ask| ask.until).min() {
        wake = wake.min(first);
    }
    match next_visible(sqs, name).await {
        Ok(Some(at)) => {
            let left = u64::try_from(at - sqs.now_ms()).unwrap_or(0);
            wake = wake.min(Instant::now() + Duration::from_millis(left));
        }
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "a queue could not be looked ahead in"),
    }
    tokio::select! {
        () = lane.changed.notified() => {}
        () = sqs.closed() => {}
        () = tokio::time::sleep_until(wake) => {}
    }
}

/// When the next message becomes visible that is not yet.
async fn next_visible(sqs: &Sqs, name: &QueueName) -> Result<Option<i64>, Error> {
    let view = sqs.snapshot().await?;
    let queue = view.queue(name).await?;
    let behind = keys::ready_between(&queue.id, sqs.now_ms(), i64::MAX - 1);
    let end = KeyRange::prefix(keys::all_ready(&queue.id));
    let range = KeyRange::new(behind.start().clone(), end.end().cloned().unwrap_or_default());
    let page = view.first(range, 1).await?;
    let first = page.entries.first().map(|(key, _)| keys::ready_of(&queue.id, key));
    Ok(first.transpose().map_err(Error::internal)?.map(|(at, _)| at))
}
