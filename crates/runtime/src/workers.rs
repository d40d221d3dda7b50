//! Workers: Node.js processes that were started, with the bootstrap loaded, before it was known for which function. One
//! becomes the process of one environment, with the function's code, variables and credentials, and ends with it; none
//! serves a second function. How many wait is a matter of what was asked for lately; nothing is asked for, none waits.

use crate::environment::{Host, Launch, Prepared, Process};
use crate::function::CONCURRENCY;
use crate::program::{Language, Program, for_worker, own_mounts};
use crate::runtime_api::{Variables, Verdict};
use crate::{FunctionSpec, RuntimeError};
use danbi_sandbox::SandboxError;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Most workers of one kind that wait.
const MAX_OF_A_KIND: usize = 4;
/// Most workers that wait on this machine.
const MAX_WORKERS: usize = 8;
/// What a waiting worker takes of the machine's memory, roughly; together they may have 1/[`MEMORY_SHARE`] of what is free.
const WORKER_BYTES: u64 = 48 << 20;
const MEMORY_SHARE: u64 = 8;
/// The span of which the starts are counted to say how many should wait.
const RECENT: Duration = Duration::from_secs(60);
/// How long after the last start of a kind one is kept waiting.
const KEPT: Duration = Duration::from_secs(10 * 60);
/// How long a worker may take to start, behind everything else that runs.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long nothing of a kind is started after a failure.
const AGAIN: Duration = Duration::from_secs(30);
/// How often is looked for what is not wanted any more.
const LOOK: Duration = Duration::from_secs(15);

/// Variables that the interpreter, its libraries or the loader read when a process starts: a function that sets one is
/// started anew.
const READ_AT_START: [&str; 13] = [
    "NODE_",
    "UV_",
    "LD_",
    "V8_",
    "MALLOC_",
    "GLIBC_",
    "LC_",
    "LANG",
    "TZ",
    "SSL_",
    "OPENSSL_",
    "ICU_",
    "DANBI_WORKER",
];

/// What makes two workers interchangeable: everything that is settled when a process starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    interpreter: PathBuf,
    memory_mib: u32,
    storage_mib: u32,
    /// How many events it is given at once.
    places: usize,
}

/// A process that waits for its assignment.
struct Worker {
    process: Process,
    verdict: Verdict<Variables>,
}

impl Worker {
    fn is_alive(&self) -> bool {
        self.process.sandbox().exit().is_none() && !self.verdict.is_closed()
    }
}

/// How often a kind was asked for, and how to make one.
struct Demand {
    /// A specification without anything of a function's.
    blank: FunctionSpec,
    program: Program,
    starts: VecDeque<Instant>,
    last: Instant,
    not_before: Instant,
}

impl Demand {
    fn wanted(&mut self, now: Instant) -> usize {
        while self.starts.front().is_some_and(|start| now - *start > RECENT) {
            self.starts.pop_front();
        }
        if now - self.last > KEPT {
            return 0;
        }
        self.starts.len().div_ceil(2).clamp(1, MAX_OF_A_KIND)
    }
}

#[derive(Default)]
struct State {
    waiting: HashMap<Kind, Vec<Worker>>,
    demand: HashMap<Kind, Demand>,
    keeper: Option<AbortHandle>,
    closed: bool,
}

/// All workers of this machine. Dropping it ends them.
#[derive(Default)]
pub(crate) struct Workers {
    state: Mutex<State>,
    changed: Notify,
}

impl Workers {
    /// A worker that has become the process of `spec`, if one fits and waits. Its process has been given the variables.
    pub(crate) async fn take(&self, spec: &FunctionSpec, prepared: &Prepared) -> Option<Process> {
        let kind = kind(spec, &prepared.program)?;
        let Worker { mut process, verdict } = self.pop(&kind)?;
        match process.settle(own_mounts(spec), spec.function_arn.to_string()).await {
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(%error, "a worker could not be given its function: the environment is started anew");
                match error {
                    // A root that may not mount: no worker will ever do.
                    SandboxError::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => self.close(),
                    _ => self.fail(&kind),
                }
                return None;
            }
        }
        // One that has died in the meantime is seen to have ended by whoever waits for it.
        let _ = verdict.send(Ok(prepared.variables.clone()));
        Some(process)
    }

    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        self.lock().waiting.values().map(Vec::len).sum()
    }

    /// Remembers that an environment was started (or is about to be, `started` false), and has workers made for the next
    /// ones, where that is possible.
    pub(crate) fn expect(host: &Arc<Host>, spec: &FunctionSpec, program: &Program, started: bool) {
        if !host.launcher.can_settle() {
            return;
        }
        let Some(kind) = kind(spec, program) else { return };
        let now = Instant::now();
        let mut state = host.workers.lock();
        if state.closed {
            return;
        }
        let demand = state.demand.entry(kind).or_insert_with(|| Demand {
            blank: FunctionSpec {
                environment: concurrency(spec),
                layers_dir: None,
                ..spec.clone()
            },
            program: without_function(program),
            starts: VecDeque::new(),
            last: now,
            not_before: now,
        });
        demand.last = now;
        if started {
            demand.starts.push_back(now);
            // More would change nothing.
            if demand.starts.len() > 2 * MAX_OF_A_KIND {
                demand.starts.pop_front();
            }
        }
        if state.keeper.is_none() {
            state.keeper = Some(tokio::spawn(keep(host.clone())).abort_handle());
        }
        drop(state);
        host.workers.changed.notify_one();
    }

    /// Ends all.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
        state.demand.clear();
        if let Some(keeper) = state.keeper.take() {
            keeper.abort();
        }
    }

    fn pop(&self, kind: &Kind) -> Option<Worker> {
        let mut state = self.lock();
        let waiting = state.waiting.get_mut(kind)?;
        while let Some(worker) = waiting.pop() {
            if worker.is_alive() {
                return Some(worker);
            }
        }
        None
    }

    fn fail(&self, kind: &Kind) {
        if let Some(demand) = self.lock().demand.get_mut(kind) {
            demand.not_before = Instant::now() + AGAIN;
        }
    }

    /// Ends what nobody wants any more, and says what to make next.
    fn next(&self) -> Option<(Kind, FunctionSpec, Program)> {
        let now = Instant::now();
        let room =
            (crate::templates::available_memory() / MEMORY_SHARE / WORKER_BYTES).min(MAX_WORKERS as u64) as usize;
        let mut state = self.lock();
        let State { waiting, demand, .. } = &mut *state;
        let wanted: HashMap<Kind, usize> = demand
            .iter_mut()
            .map(|(kind, demand)| (kind.clone(), demand.wanted(now)))
            .collect();
        demand.retain(|kind, _| wanted.get(kind).is_some_and(|wanted| *wanted > 0));
        waiting.retain(|kind, workers| {
            workers.retain(Worker::is_alive);
            workers.truncate(wanted.get(kind).copied().unwrap_or(0));
            !workers.is_empty()
        });
        let mut total: usize = waiting.values().map(Vec::len).sum();
        // The least recently wanted give way first when memory gets short.
        while total > room {
            let oldest = waiting
                .keys()
                .min_by_key(|kind| demand.get(kind).map(|demand| demand.last));
            let Some(oldest) = oldest.cloned() else { break };
            if let Some(workers) = waiting.get_mut(&oldest) {
                workers.pop();
                total -= 1;
                if workers.is_empty() {
                    waiting.remove(&oldest);
                }
            }
        }
        if total >= room {
            return None;
        }
        let lacking = demand.iter().filter(|(kind, demand)| {
            let have = waiting.get(kind).map_or(0, Vec::len);
            have < wanted.get(kind).copied().unwrap_or(0) && now >= demand.not_before
        });
        let (kind, demand) = lacking.max_by_key(|(_, demand)| demand.last)?;
        Some((kind.clone(), demand.blank.clone(), demand.program.clone()))
    }

    fn keep(&self, kind: Kind, worker: Worker) {
        let mut state = self.lock();
        if !state.closed {
            state.waiting.entry(kind).or_default().push(worker);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held leaves whole map entries behind; nothing is half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.close();
    }
}

/// The kind that `spec` could be given; `None` when it has to be started anew.
fn kind(spec: &FunctionSpec, program: &Program) -> Option<Kind> {
    let interpreter = program.interpreter.as_ref()?;
    let own_start = spec.http_command().is_some()
        || spec.environment.contains_key("AWS_LAMBDA_EXEC_WRAPPER")
        || spec
            .environment
            .keys()
            .any(|name| READ_AT_START.iter().any(|start| name.starts_with(start)));
    if interpreter.language != Language::Node || !program.place.isolated || own_start {
        return None;
    }
    Some(Kind {
        interpreter: interpreter.binary.clone(),
        memory_mib: spec.memory_mib,
        storage_mib: spec.ephemeral_storage_mib,
        places: spec.places(),
    })
}

/// The one variable that the platform heeds itself. The process does not get it before its assignment.
fn concurrency(spec: &FunctionSpec) -> BTreeMap<String, String> {
    let places = spec.concurrency();
    let variable = places.map(|places| (CONCURRENCY.to_owned(), places.to_string()));
    variable.into_iter().collect()
}

fn without_function(program: &Program) -> Program {
    let own = [crate::program::CODE, crate::program::LAYERS].map(PathBuf::from);
    Program {
        mounts: program
            .mounts
            .iter()
            .filter(|mount| !own.contains(&mount.target))
            .cloned()
            .collect(),
        ..program.clone()
    }
}

/// Makes workers, one after another, for as long as the runtime lives.
async fn keep(host: Arc<Host>) {
    loop {
        match host.workers.next() {
            Some((kind, blank, program)) => match make(&host, &blank, &program).await {
                Ok(worker) => host.workers.keep(kind, worker),
                Err(error) => {
                    tracing::warn!(%error, "no Node.js worker could be started ahead");
                    host.workers.fail(&kind);
                }
            },
            None => {
                let _ = tokio::time::timeout(LOOK, host.workers.changed.notified()).await;
            }
        }
    }
}

async fn make(host: &Host, blank: &FunctionSpec, program: &Program) -> Result<Worker, RuntimeError> {
    let number = program.interpreter.as_ref().map_or(0, |interpreter| interpreter.number);
    let launch = Launch {
        launcher: &host.launcher,
        spec: blank,
        program,
        variables: for_worker(&program.place, number),
        platform: host.options.platform.clone(),
        credentials: None,
    };
    let failed = |error: SandboxError| RuntimeError::Sandbox(error.to_string());
    let mut process = Process::start_worker(launch).await.map_err(failed)?;
    match tokio::time::timeout(START_LIMIT, process.asks_for_assignment()).await {
        Ok(Some(verdict)) => Ok(Worker { process, verdict }),
        Ok(None) => Err(RuntimeError::Sandbox("it ended at its start".to_owned())),
        Err(_) => Err(RuntimeError::Sandbox(format!("it took more than {START_LIMIT:?}"))),
    }
}
