//! Which environments exist, which of them are idle, and how many more there may be. Holds no task and does no I/O;
//! every method takes its lock for a few map operations.

use crate::environment::Job;
use crate::{EnvironmentState, EnvironmentStatus, FunctionSpec, Options, RuntimeError};
use danbi_core::Timestamp;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

/// What one environment shows of itself; written by its task, read by [`Pool::statuses`].
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    state: AtomicU8,
    events: AtomicU64,
}

impl Gauge {
    pub(crate) fn set(&self, state: EnvironmentState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    pub(crate) fn count_event(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    fn state(&self) -> EnvironmentState {
        match self.state.load(Ordering::Relaxed) {
            0 => EnvironmentState::Starting,
            1 => EnvironmentState::Idle,
            2 => EnvironmentState::Frozen,
            _ => EnvironmentState::Busy,
        }
    }
}

/// The way to hand an event to an environment. Who holds it is the only one who may; it lies in the pool while the
/// environment is idle, and the environment ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) id: u64,
    pub(crate) jobs: mpsc::Sender<Job>,
    /// What the environment may be reused for.
    pub(crate) key: Arc<str>,
    /// When the credentials inside end.
    pub(crate) expires: Timestamp,
    /// Counts the handles of the environment.
    given: Given,
}

/// One of the handles that an environment has given out; leaving scope takes it back.
#[derive(Debug)]
struct Given(Arc<AtomicUsize>);

impl Given {
    fn count(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// From which more handles of an environment are made, when it takes more than one event. It keeps nothing alive.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    id: u64,
    jobs: mpsc::WeakSender<Job>,
    key: Arc<str>,
    expires: Timestamp,
    given: Arc<AtomicUsize>,
}

impl Handle {
    /// The first one of an environment.
    pub(crate) fn new(id: u64, jobs: mpsc::Sender<Job>, key: Arc<str>, expires: Timestamp) -> Self {
        Self {
            id,
            jobs,
            key,
            expires,
            given: Given(Arc::new(AtomicUsize::new(1))),
        }
    }

    pub(crate) fn door(&self) -> Door {
        Door {
            id: self.id,
            jobs: self.jobs.downgrade(),
            key: self.key.clone(),
            expires: self.expires,
            given: self.given.0.clone(),
        }
    }
}

impl Door {
    pub(crate) fn expires(&self) -> Timestamp {
        self.expires
    }

    /// One more handle, as long as there are less than `places`; `None` when the environment is about to end, too.
    pub(crate) fn open(&self, places: usize) -> Option<Handle> {
        let free = |given: usize| (given < places).then_some(given + 1);
        self.given
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, free)
            .ok()?;
        let given = Given(self.given.clone());
        Some(Handle {
            id: self.id,
            jobs: self.jobs.upgrade()?,
            key: self.key.clone(),
            expires: self.expires,
            given,
        })
    }
}

struct Idle {
    handle: Handle,
    since: Instant,
}

struct Occupant {
    spec: Arc<FunctionSpec>,
    key: Arc<str>,
    unqualified: String,
    log_stream: String,
    gauge: Arc<Gauge>,
    started: Instant,
    retired: watch::Sender<bool>,
    task: Option<AbortHandle>,
    /// How events come in before it has asked for as many as it takes, when it takes more than one.
    door: Option<Door>,
}

#[derive(Default)]
struct State {
    /// Free places of environments by key; the last one was used last.
    idle: HashMap<Arc<str>, Vec<Idle>>,
    seats: HashMap<u64, Occupant>,
    memory_mib: u64,
    /// How many environments of a key stay, however long they are idle.
    kept: HashMap<Arc<str>, usize>,
    /// Events under way by unqualified function ARN.
    active: HashMap<String, u32>,
    next_id: u64,
    draining: bool,
}

/// See the module.
pub(crate) struct Pool {
    state: Mutex<State>,
    /// Held by who looks for a place at an environment and starts one when there is none.
    deciding: Mutex<()>,
    max_environments: usize,
    max_memory_mib: u64,
    /// How many seats are taken, for who waits for none.
    occupied: watch::Sender<usize>,
}

/// Room for one environment; leaving scope gives it back.
pub(crate) struct Seat {
    pool: Arc<Pool>,
    pub(crate) id: u64,
    pub(crate) gauge: Arc<Gauge>,
    /// True once the environment shall take no more work.
    pub(crate) retired: watch::Receiver<bool>,
    memory_mib: u64,
}

/// One event counted against its function's reserved concurrency; leaving scope ends it.
pub(crate) struct Slot {
    pool: Arc<Pool>,
    function: String,
    entered: Instant,
}

impl Slot {
    /// How long ago the event came.
    pub(crate) fn waited(&self) -> Duration {
        self.entered.elapsed()
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot")
            .field("function", &self.function)
            .finish_non_exhaustive()
    }
}

impl Pool {
    pub(crate) fn new(options: &Options) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            deciding: Mutex::default(),
            max_environments: options.max_environments,
            max_memory_mib: options.max_memory_mib,
            occupied: watch::Sender::new(0),
        })
    }

    /// The key of warm reuse.
    pub(crate) fn key(spec: &FunctionSpec) -> Arc<str> {
        format!("{}#{}", spec.function_arn, spec.revision).into()
    }

    /// Counts one event of the function.
    pub(crate) fn enter(self: &Arc<Self>, spec: &FunctionSpec) -> Result<Slot, RuntimeError> {
        let function = spec.unqualified_arn();
        let mut state = self.lock();
        if state.draining {
            return Err(RuntimeError::Draining);
        }
        let active = state.active.entry(function.clone()).or_default();
        if let Some(limit) = spec.max_concurrency.filter(|limit| *active >= *limit) {
            if *active == 0 {
                state.active.remove(&function);
            }
            return Err(RuntimeError::ConcurrencyLimit { limit });
        }
        *active += 1;
        Ok(Slot {
            pool: self.clone(),
            function,
            entered: Instant::now(),
        })
    }

    /// The environment that was used last for this key, if its credentials last until `until`.
    pub(crate) fn take_idle(&self, key: &str, until: Timestamp) -> Option<Handle> {
        let mut state = self.lock();
        let waiting = state.idle.get_mut(key)?;
        let found = loop {
            let Some(idle) = waiting.pop() else { break None };
            // One whose credentials are about to end is dropped, and so ends.
            if idle.handle.expires > until && !idle.handle.jobs.is_closed() {
                break Some(idle.handle);
            }
        };
        if waiting.is_empty() {
            state.idle.remove(key);
        }
        found
    }

    /// Until it is dropped nobody else who asks looks for a place: whoever finds none has begun an environment by then.
    /// For functions whose environments take several events; taken before the state's lock, never after it.
    pub(crate) fn decide(&self) -> MutexGuard<'_, ()> {
        self.deciding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for another environment; idle ones of other functions give way, the longest idle first.
    pub(crate) fn sit(self: &Arc<Self>, spec: &Arc<FunctionSpec>, log_stream: &str) -> Result<Seat, RuntimeError> {
        let needed = u64::from(spec.memory_mib);
        let mut state = self.lock();
        if state.draining {
            return Err(RuntimeError::Draining);
        }
        while state.seats.len() >= self.max_environments || state.memory_mib + needed > self.max_memory_mib {
            if !state.evict() {
                let reason = if state.seats.len() >= self.max_environments {
                    format!("all {} environments are busy", self.max_environments)
                } else {
                    let used = state.memory_mib;
                    format!(
                        "{needed} MiB more than the {used} of {} MiB in use by busy ones",
                        self.max_memory_mib
                    )
                };
                return Err(RuntimeError::NoCapacity { reason });
            }
        }
        state.next_id += 1;
        let id = state.next_id;
        let gauge = Arc::new(Gauge::default());
        let (sender, retired) = watch::channel(false);
        let occupant = Occupant {
            spec: spec.clone(),
            key: Self::key(spec),
            unqualified: spec.unqualified_arn(),
            log_stream: log_stream.to_owned(),
            gauge: gauge.clone(),
            started: Instant::now(),
            retired: sender,
            task: None,
            door: None,
        };
        state.seats.insert(id, occupant);
        state.memory_mib += needed;
        self.occupied.send_replace(state.seats.len());
        Ok(Seat {
            pool: self.clone(),
            id,
            gauge,
            retired,
            memory_mib: needed,
        })
    }

    /// Remembers the task of a seat, so that [`Self::abort_all`] reaches it.
    pub(crate) fn owns(&self, id: u64, task: AbortHandle) {
        if let Some(occupant) = self.lock().seats.get_mut(&id) {
            occupant.task = Some(task);
        }
    }

    /// The environment of this seat takes more than one event, and those that come while it starts may wait for it.
    pub(crate) fn opens(&self, id: u64, door: Door) {
        if let Some(occupant) = self.lock().seats.get_mut(&id) {
            occupant.door = Some(door);
        }
    }

    /// It has asked for as many as it takes, or is late: the others find it idle, or not at all.
    pub(crate) fn settled(&self, id: u64) {
        if let Some(occupant) = self.lock().seats.get_mut(&id) {
            occupant.door = None;
        }
    }

    /// A place at an environment of this key that is being started and has one.
    pub(crate) fn join(&self, key: &str, places: usize) -> Option<Handle> {
        let state = self.lock();
        let of_key = state
            .seats
            .values()
            .filter(|seat| &*seat.key == key && !*seat.retired.borrow());
        let mut doors = of_key.filter_map(|seat| seat.door.as_ref());
        doors.find_map(|door| door.open(places))
    }

    /// The environment takes no more events; those that it has go on.
    pub(crate) fn dismiss(&self, id: u64) {
        self.lock().retire(&[id]);
    }

    /// The environment may be given another event. A retired one is not kept: its handle is dropped.
    pub(crate) fn release(&self, handle: Handle) {
        let mut state = self.lock();
        let keep = !state.draining && state.seats.get(&handle.id).is_some_and(|seat| !*seat.retired.borrow());
        if keep {
            state.idle.entry(handle.key.clone()).or_default().push(Idle {
                handle,
                since: Instant::now(),
            });
        }
    }

    /// Says how many environments of which key stay, whatever was said before.
    pub(crate) fn keep(&self, kept: HashMap<Arc<str>, usize>) {
        self.lock().kept = kept;
    }

    /// How many environments of the key there are, and how many of them have initialised. Those that are to end are not
    /// counted.
    pub(crate) fn count(&self, key: &str) -> (usize, usize) {
        let state = self.lock();
        let of_key = state
            .seats
            .values()
            .filter(|seat| &*seat.key == key && !*seat.retired.borrow());
        of_key.fold((0, 0), |(all, ready), seat| {
            let starting = seat.gauge.state() == EnvironmentState::Starting;
            (all + 1, ready + usize::from(!starting))
        })
    }

    /// Whether an environment of this version, by its ARN, is there.
    pub(crate) fn has(&self, function_arn: &str) -> bool {
        let state = self.lock();
        state
            .seats
            .values()
            .any(|seat| seat.spec.function_arn.to_string() == function_arn)
    }

    /// Ends the idle environments among the kept whose credentials end before `until`, so that others take their places
    /// before an event needs them.
    pub(crate) fn renew_kept(&self, until: Timestamp) {
        let mut state = self.lock();
        let State { idle, kept, .. } = &mut *state;
        for key in kept.keys() {
            if let Some(waiting) = idle.get_mut(key) {
                waiting.retain(|idle| idle.handle.expires > until);
            }
        }
        idle.retain(|_, waiting| !waiting.is_empty());
    }

    /// Follows how many seats are taken.
    pub(crate) fn occupied(&self) -> watch::Receiver<usize> {
        self.occupied.subscribe()
    }

    /// Takes an idle environment out, unless it has to stay. False when it has, or when somebody has just taken it.
    pub(crate) fn withdraw_unless_kept(&self, id: u64, key: &str) -> bool {
        if self.lock().must_stay(key) {
            return false;
        }
        self.withdraw(id, key)
    }

    /// Takes an environment out when it is still idle. False when somebody has just taken it.
    pub(crate) fn withdraw(&self, id: u64, key: &str) -> bool {
        let mut state = self.lock();
        let Some(waiting) = state.idle.get_mut(key) else {
            return false;
        };
        let before = waiting.len();
        waiting.retain(|idle| idle.handle.id != id);
        let found = waiting.len() < before;
        if waiting.is_empty() {
            state.idle.remove(key);
        }
        found
    }

    /// See [`crate::Runtime::retire`].
    pub(crate) fn retire(&self, arn: &str) {
        let mut state = self.lock();
        let ids: Vec<u64> = state
            .seats
            .iter()
            .filter(|(_, seat)| seat.unqualified == arn || seat.spec.function_arn.to_string() == arn)
            .map(|(id, _)| *id)
            .collect();
        state.retire(&ids);
    }

    /// Takes no more events and ends what is idle.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.draining = true;
        let ids: Vec<u64> = state.seats.keys().copied().collect();
        state.retire(&ids);
    }

    /// Returns when there is no environment left.
    pub(crate) async fn emptied(&self) {
        let mut occupied = self.occupied.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = occupied.wait_for(|count| *count == 0).await;
    }

    /// Stops every task; their sandboxes end with them.
    pub(crate) fn abort_all(&self) {
        for seat in self.lock().seats.values() {
            if let Some(task) = &seat.task {
                task.abort();
            }
        }
    }

    pub(crate) fn statuses(&self) -> Vec<EnvironmentStatus> {
        let state = self.lock();
        let mut all: Vec<(u64, EnvironmentStatus)> = state
            .seats
            .iter()
            .map(|(id, seat)| {
                let status = EnvironmentStatus {
                    function_arn: seat.spec.function_arn.to_string(),
                    log_stream: seat.log_stream.clone(),
                    state: seat.gauge.state(),
                    age: seat.started.elapsed(),
                    events: seat.gauge.events.load(Ordering::Relaxed),
                    memory_mib: seat.spec.memory_mib,
                };
                (*id, status)
            })
            .collect();
        all.sort_by_key(|(id, _)| *id);
        all.into_iter().map(|(_, status)| status).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held leaves whole map entries behind; nothing is half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether there are no more environments of the key than are kept.
    fn must_stay(&self, key: &str) -> bool {
        let Some(kept) = self.kept.get(key) else { return false };
        self.seats.values().filter(|seat| &*seat.key == key).count() <= *kept
    }

    fn retire(&mut self, ids: &[u64]) {
        for id in ids {
            if let Some(seat) = self.seats.get(id) {
                seat.retired.send_replace(true);
            }
        }
        self.idle.retain(|_, waiting| {
            waiting.retain(|idle| !ids.contains(&idle.handle.id));
            !waiting.is_empty()
        });
    }

    /// Ends the environment that has been idle longest. Its room counts as free at once; the process follows.
    fn evict(&mut self) -> bool {
        let evictable = self.idle.iter().filter(|(key, _)| !self.must_stay(key));
        let oldest = evictable.flat_map(|(key, waiting)| {
            // One that takes several events is idle when all its handles are here.
            let idle = waiting.iter().filter(|idle| {
                let here = waiting.iter().filter(|other| other.handle.id == idle.handle.id);
                idle.handle.given.count() <= here.count()
            });
            idle.map(move |idle| (idle.since, key.clone(), idle.handle.id))
        });
        let Some((_, key, id)) = oldest.min_by_key(|(since, _, _)| *since) else {
            return false;
        };
        if let Some(waiting) = self.idle.get_mut(&key) {
            waiting.retain(|idle| idle.handle.id != id);
            if waiting.is_empty() {
                self.idle.remove(&key);
            }
        }
        if let Some(seat) = self.seats.remove(&id) {
            self.memory_mib -= u64::from(seat.spec.memory_mib);
        }
        true
    }
}

impl Seat {
    /// Gives the room back before the task ends: the sandbox is gone, and a caller that hears of it may ask again.
    pub(crate) fn vacate(&self) {
        let mut state = self.pool.lock();
        // An evicted environment, or one that vacated its seat, has given its room back already.
        if state.seats.remove(&self.id).is_some() {
            state.memory_mib -= self.memory_mib;
        }
        self.pool.occupied.send_replace(state.seats.len());
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.vacate();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        if let Some(active) = state.active.get_mut(&self.function) {
            *active -= 1;
            if *active == 0 {
                state.active.remove(&self.function);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_spec;

    fn pool(environments: usize, memory_mib: u64) -> Arc<Pool> {
        let options = Options {
            max_environments: environments,
            max_memory_mib: memory_mib,
            ..Options::for_this_machine("/x")
        };
        Pool::new(&options)
    }

    fn handle(seat: &Seat, spec: &FunctionSpec) -> (Handle, mpsc::Receiver<Job>) {
        let (jobs, receiver) = mpsc::channel(1);
        (
            Handle::new(seat.id, jobs, Pool::key(spec), Timestamp::from_millis(1_000)),
            receiver,
        )
    }

    #[test]
    fn reserved_concurrency_is_counted_over_all_versions() {
        let pool = pool(10, 10_000);
        let first = FunctionSpec {
            max_concurrency: Some(1),
            ..test_spec()
        };
        let slot = pool.enter(&first).unwrap();
        assert!(matches!(
            pool.enter(&first),
            Err(RuntimeError::ConcurrencyLimit { limit: 1 })
        ));
        drop(slot);
        let _slot = pool.enter(&first).unwrap();
        let none = FunctionSpec {
            max_concurrency: Some(0),
            name: "other".into(),
            ..test_spec()
        };
        assert!(matches!(
            pool.enter(&none),
            Err(RuntimeError::ConcurrencyLimit { limit: 0 | 1 })
        ));
    }

    #[test]
    fn the_environment_used_last_is_used_first() {
        let pool = pool(10, 10_000);
        let spec = Arc::new(test_spec());
        let seats = [pool.sit(&spec, "a").unwrap(), pool.sit(&spec, "b").unwrap()];
        let mut receivers = Vec::new();
        for seat in &seats {
            let (handle, receiver) = handle(seat, &spec);
            pool.release(handle);
            receivers.push(receiver);
        }
        let key = Pool::key(&spec);
        assert_eq!(pool.take_idle(&key, Timestamp::from_millis(0)).unwrap().id, seats[1].id);
        assert!(pool.withdraw(seats[0].id, &key));
        assert!(!pool.withdraw(seats[0].id, &key));
    }

    #[test]
    fn an_environment_whose_credentials_end_is_not_reused() {
        let pool = pool(10, 10_000);
        let spec = Arc::new(test_spec());
        let seat = pool.sit(&spec, "a").unwrap();
        let (handle, mut receiver) = handle(&seat, &spec);
        pool.release(handle);
        assert!(
            pool.take_idle(&Pool::key(&spec), Timestamp::from_millis(1_000))
                .is_none()
        );
        assert!(matches!(
            receiver.try_recv(),
            Err(mpsc::error::TryRecvError::Disconnected)
        ));
    }

    #[test]
    fn idle_environments_give_way_and_busy_ones_do_not() {
        let spec = Arc::new(test_spec());
        let pool = pool(10, u64::from(spec.memory_mib));
        let seat = pool.sit(&spec, "a").unwrap();
        assert!(matches!(pool.sit(&spec, "b"), Err(RuntimeError::NoCapacity { .. })));
        let (handle, mut receiver) = handle(&seat, &spec);
        pool.release(handle);
        let second = pool.sit(&spec, "b").unwrap();
        assert!(matches!(
            receiver.try_recv(),
            Err(mpsc::error::TryRecvError::Disconnected)
        ));
        drop(seat);
        assert!(
            matches!(pool.sit(&spec, "c"), Err(RuntimeError::NoCapacity { .. })),
            "the room is counted once"
        );
        drop(second);
        pool.sit(&spec, "d").unwrap();
    }

    #[test]
    fn a_retired_environment_is_not_kept() {
        let pool = pool(10, 10_000);
        let spec = Arc::new(test_spec());
        let seat = pool.sit(&spec, "a").unwrap();
        pool.retire(&spec.unqualified_arn());
        assert!(*seat.retired.borrow());
        let (handle, mut receiver) = handle(&seat, &spec);
        pool.release(handle);
        assert!(matches!(
            receiver.try_recv(),
            Err(mpsc::error::TryRecvError::Disconnected)
        ));
    }

    #[test]
    fn an_environment_with_places_is_joined_while_it_starts_and_gives_way_only_when_all_are_free() {
        let spec = Arc::new(test_spec());
        let pool = pool(10, u64::from(spec.memory_mib));
        let seat = pool.sit(&spec, "a").unwrap();
        let (first, mut receiver) = handle(&seat, &spec);
        let key = Pool::key(&spec);
        assert!(pool.join(&key, 3).is_none(), "it did not say that it takes more");
        pool.opens(seat.id, first.door());
        let joined: Vec<Handle> = std::iter::from_fn(|| pool.join(&key, 3)).collect();
        assert_eq!(joined.len(), 2);
        pool.settled(seat.id);
        for free in joined {
            pool.release(free);
        }
        assert!(matches!(pool.sit(&spec, "b"), Err(RuntimeError::NoCapacity { .. })));
        assert!(first.door().open(3).is_none(), "all places are given out");
        pool.release(first);
        let _next = pool.sit(&spec, "b").unwrap();
        assert!(matches!(
            receiver.try_recv(),
            Err(mpsc::error::TryRecvError::Disconnected)
        ));
    }

    #[test]
    fn a_dismissed_environment_is_given_nothing_more() {
        let spec = Arc::new(test_spec());
        let pool = pool(10, 10_000);
        let seat = pool.sit(&spec, "a").unwrap();
        let (first, _receiver) = handle(&seat, &spec);
        pool.opens(seat.id, first.door());
        let second = first.door().open(2).unwrap();
        pool.release(second);
        pool.dismiss(seat.id);
        let (key, from) = (Pool::key(&spec), Timestamp::from_millis(0));
        assert!(pool.take_idle(&key, from).is_none() && pool.join(&key, 2).is_none());
    }

    #[tokio::test]
    async fn a_closed_pool_refuses_and_empties() {
        let pool = pool(10, 10_000);
        let spec = Arc::new(test_spec());
        let seat = pool.sit(&spec, "a").unwrap();
        pool.close();
        assert!(matches!(pool.enter(&spec), Err(RuntimeError::Draining)));
        assert!(matches!(pool.sit(&spec, "b"), Err(RuntimeError::Draining)));
        drop(seat);
        pool.emptied().await;
    }
}
