//! Environments that are kept initialised before events need them: provisioned concurrency.

use crate::environment::{Host, Purpose, start};
use crate::pool::Pool;
use crate::{FunctionSpec, ProvisionFailure, Provisioned, RuntimeError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};
use tokio::task::{AbortHandle, JoinSet};

/// How many environments are started at once, of all versions together: what events ask for comes first.
const AT_ONCE: usize = 4;
/// How long nothing of a version is started after its initialisation failed.
const AGAIN_FUNCTION: Duration = Duration::from_secs(60);
/// The same after the machine had no room.
const AGAIN_MACHINE: Duration = Duration::from_secs(5);
/// How often is looked for what has ended or has to be renewed, besides when something changes.
const LOOK: Duration = Duration::from_secs(5);

/// Why an environment did not come to be ahead of its events.
#[derive(Debug)]
pub(crate) enum NotAhead {
    /// The function's own fault.
    Function(String),
    /// It took too long to initialise.
    TimedOut,
    /// The machine's.
    Machine(RuntimeError),
}

struct Wanted {
    spec: Arc<FunctionSpec>,
    count: u32,
    failure: Option<ProvisionFailure>,
    not_before: Instant,
}

#[derive(Default)]
struct State {
    wanted: HashMap<Arc<str>, Wanted>,
    keeper: Option<AbortHandle>,
    closed: bool,
}

/// What is kept on this machine. Dropping it stops the keeping; the environments are the pool's.
#[derive(Default)]
pub(crate) struct Ahead {
    state: Mutex<State>,
    changed: Notify,
}

impl Ahead {
    /// See [`crate::Runtime::keep`].
    pub(crate) fn keep(host: &Arc<Host>, wanted: Vec<(Arc<FunctionSpec>, u32)>) {
        let ahead = &host.ahead;
        let mut state = ahead.lock();
        if state.closed {
            return;
        }
        let mut before = std::mem::take(&mut state.wanted);
        for (spec, count) in wanted.into_iter().filter(|(_, count)| *count > 0) {
            let key = Pool::key(&spec);
            let known = before.remove(&key);
            let entry = state.wanted.entry(key).or_insert_with(|| {
                let (failure, not_before) =
                    known.map_or((None, Instant::now()), |known| (known.failure, known.not_before));
                Wanted {
                    spec,
                    count: 0,
                    failure,
                    not_before,
                }
            });
            // A version may be wanted by more than one name.
            entry.count = entry.count.saturating_add(count);
        }
        let kept = state
            .wanted
            .iter()
            .map(|(key, wanted)| (key.clone(), wanted.count as usize))
            .collect();
        host.pool.keep(kept);
        if state.keeper.is_none() && !state.wanted.is_empty() {
            state.keeper = Some(tokio::spawn(run(host.clone())).abort_handle());
        }
        drop(state);
        ahead.changed.notify_one();
    }

    /// See [`crate::Runtime::kept`].
    pub(crate) fn status(&self, pool: &Pool, function_arn: &str) -> Option<Provisioned> {
        let state = self.lock();
        let (key, wanted) = state
            .wanted
            .iter()
            .find(|(_, wanted)| wanted.spec.function_arn.to_string() == function_arn)?;
        let (_, ready) = pool.count(key);
        let allocated = u32::try_from(ready).unwrap_or(u32::MAX).min(wanted.count);
        Some(Provisioned {
            requested: wanted.count,
            allocated,
            failure: wanted.failure.clone().filter(|_| allocated < wanted.count),
        })
    }

    /// Keeps nothing any more.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.wanted.clear();
        if let Some(keeper) = state.keeper.take() {
            keeper.abort();
        }
    }

    /// A version that lacks an environment, beside those of `starting`.
    fn lacking(&self, pool: &Pool, starting: &HashMap<Arc<str>, usize>) -> Option<(Arc<str>, Arc<FunctionSpec>)> {
        let now = Instant::now();
        let state = self.lock();
        let lacks = |(key, wanted): &(&Arc<str>, &Wanted)| {
            // One that is being started sits in the pool already, or is about to.
            let have = pool.count(key).0.max(starting.get(*key).copied().unwrap_or(0));
            now >= wanted.not_before && have < wanted.count as usize
        };
        let found = state.wanted.iter().find(lacks);
        found.map(|(key, wanted)| (key.clone(), wanted.spec.clone()))
    }

    fn settle(&self, key: &str, outcome: Result<(), NotAhead>) {
        let mut state = self.lock();
        let Some(wanted) = state.wanted.get_mut(key) else {
            return;
        };
        let (failure, pause) = match outcome {
            Ok(()) => {
                wanted.failure = None;
                return;
            }
            Err(NotAhead::Function(reason)) => {
                tracing::info!(function = %wanted.spec.function_arn, reason, "an environment to be kept did not initialise");
                (ProvisionFailure::Init, AGAIN_FUNCTION)
            }
            Err(NotAhead::TimedOut) => (ProvisionFailure::InitTimedOut, AGAIN_FUNCTION),
            Err(NotAhead::Machine(error)) => (ProvisionFailure::Machine(error.to_string()), AGAIN_MACHINE),
        };
        wanted.failure = Some(failure);
        wanted.not_before = Instant::now() + pause;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held leaves whole map entries behind; nothing is half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.close();
    }
}

/// Starts what is lacking, for as long as the runtime lives.
async fn run(host: Arc<Host>) {
    let mut occupied = host.pool.occupied();
    let mut starting: HashMap<Arc<str>, usize> = HashMap::new();
    let mut starts = JoinSet::new();
    let margin = i64::try_from(host.options.credentials_margin.as_millis()).unwrap_or(i64::MAX);
    loop {
        host.pool.renew_kept(host.clock.now().plus_millis(margin));
        while starts.len() < AT_ONCE {
            let Some((key, spec)) = host.ahead.lacking(&host.pool, &starting) else {
                break;
            };
            let (done, outcome) = oneshot::channel();
            let purpose = Purpose::Ahead {
                provisioned: true,
                done,
            };
            if let Err(error) = start(&host, spec, purpose) {
                host.ahead.settle(&key, Err(NotAhead::Machine(error)));
                continue;
            }
            *starting.entry(key.clone()).or_default() += 1;
            starts.spawn(async move {
                let ended = || NotAhead::Machine(RuntimeError::Sandbox("the environment was ended".to_owned()));
                (key, outcome.await.unwrap_or_else(|_| Err(ended())))
            });
        }
        tokio::select! {
            Some(Ok((key, outcome))) = starts.join_next() => {
                if let Some(count) = starting.get_mut(&key) {
                    *count -= 1;
                    if *count == 0 {
                        starting.remove(&key);
                    }
                }
                host.ahead.settle(&key, outcome);
            }
            () = host.ahead.changed.notified() => {}
            // The sender lives in the pool, which this holds.
            _ = occupied.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}
