//! How an environment comes to be: its role and program, then a fork of its template, a worker, or a process of its own.

use super::event::{Active, Beginning, Ending, Fault};
use super::task::Environment;
use super::{Job, Launch, Process, Reply, Spare, launch_error};
use crate::ahead::{Ahead, NotAhead};
use crate::counts::Counts;
use crate::log::{EnvironmentLog, PlatformLine};
use crate::pool::{Handle, Pool, Seat, Slot};
use crate::program::{Bootstraps, Interpreters, Language, NoProgram, Program, plan, provisioned, variables};
use crate::templates::Templates;
use crate::workers::Workers;
use crate::{EnvironmentChoice, FunctionSpec, Invocation, Options, RuntimeError};
use danbi_core::{Clock, LogSink, RoleCredentials, SessionCredentials, Timestamp};
use danbi_sandbox::Launcher;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// When credentials end that are not there yet.
const NOT_YET: Timestamp = Timestamp::from_millis(i64::MAX);

/// What every environment of this machine is made with.
pub(crate) struct Host {
    pub(crate) options: Options,
    pub(crate) launcher: Arc<Launcher>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) sink: Arc<dyn LogSink>,
    pub(crate) roles: Arc<dyn RoleCredentials>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) bootstraps: Arc<Bootstraps>,
    pub(crate) interpreters: Arc<Interpreters>,
    pub(crate) templates: Templates,
    pub(crate) workers: Workers,
    pub(crate) ahead: Ahead,
    pub(crate) counts: Counts,
}

/// A program and what it is started with.
pub(crate) struct Prepared {
    pub(crate) program: Program,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) credentials: SessionCredentials,
}

impl Host {
    /// Assumes the role and finds the program.
    pub(crate) async fn prepare(&self, spec: &Arc<FunctionSpec>, log_stream: &str) -> Result<Prepared, NoProgram> {
        let credentials = self
            .roles
            .assume(&spec.role, &spec.name)
            .await
            .map_err(|e| NoProgram::Runtime(RuntimeError::Role(e)))?;
        let isolation = self.launcher.capabilities().isolation;
        let (wanted, bootstraps, interpreters) = (spec.clone(), self.bootstraps.clone(), self.interpreters.clone());
        let planned = tokio::task::spawn_blocking(move || plan(&wanted, isolation, &bootstraps, &interpreters));
        let program = planned
            .await
            .map_err(|e| NoProgram::Runtime(RuntimeError::Sandbox(e.to_string())))??;
        let number = |language| {
            program
                .interpreter
                .as_ref()
                .filter(|i| i.language == language)
                .map(|i| i.number)
        };
        let (python, node) = (number(Language::Python), number(Language::Node));
        let platform = self.options.platform.is_some();
        let variables = variables(spec, &program.place, python, node, log_stream, &credentials, platform);
        Ok(Prepared {
            program,
            variables,
            credentials,
        })
    }
}

/// The event that an environment is made for.
pub(crate) struct First {
    pub(crate) invocation: Invocation,
    pub(crate) slot: Slot,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// What an environment is made for.
pub(crate) enum Purpose {
    /// An event, which it begins with.
    Event(Box<First>),
    /// Whatever comes: it initialises and waits. Who asked hears how that went.
    Ahead {
        /// Whether it is one of those that the function's provisioned concurrency keeps.
        provisioned: bool,
        done: oneshot::Sender<Result<(), NotAhead>>,
    },
}

impl Purpose {
    fn choice(&self) -> EnvironmentChoice {
        match self {
            Self::Event(first) => first.invocation.environment,
            Self::Ahead { .. } => EnvironmentChoice::Any,
        }
    }

    /// This machine cannot make the environment.
    fn fail(self, error: RuntimeError) {
        // Who asked may have left.
        match self {
            Self::Event(first) => {
                let First { slot, reply, .. } = *first;
                drop(slot);
                let _ = reply.send(Reply::Failed(error));
            }
            Self::Ahead { done, .. } => drop(done.send(Err(NotAhead::Machine(error)))),
        }
    }

    /// The function's package has no program that can be started.
    fn no_entrypoint(self, reason: String, spec: &FunctionSpec, log: &mut EnvironmentLog) {
        match self {
            Self::Event(first) => {
                let First {
                    invocation,
                    slot,
                    reply,
                } = *first;
                let active = Active::start(invocation, slot, reply, Beginning::default(), spec, log);
                active.finish(Ending::Fault(Fault::entrypoint(reason)), 0, spec, log);
            }
            Self::Ahead { done, .. } => drop(done.send(Err(NotAhead::Function(reason)))),
        }
    }
}

/// Takes a seat and starts an environment in it.
pub(crate) fn start(host: &Arc<Host>, spec: Arc<FunctionSpec>, purpose: Purpose) -> Result<(), RuntimeError> {
    let log = EnvironmentLog::open(&spec, host.sink.clone(), host.clock.clone());
    let seat = host.pool.sit(&spec, log.stream())?;
    let id = seat.id;
    let (sender, jobs) = mpsc::channel(spec.places());
    let handle = Handle::new(id, sender, Pool::key(&spec), NOT_YET);
    if spec.places() > 1 && purpose.choice() == EnvironmentChoice::Any {
        // Before anything is waited for: events that come at the same time are to find it.
        host.pool.opens(id, handle.door());
    }
    let room = Room {
        log,
        seat,
        handle,
        jobs,
    };
    let task = tokio::spawn(run(host.clone(), spec, room, purpose));
    host.pool.owns(id, task.abort_handle());
    Ok(())
}

/// Where an environment comes to be.
struct Room {
    log: EnvironmentLog,
    seat: Seat,
    handle: Handle,
    jobs: mpsc::Receiver<Job>,
}

/// There is none: events that have come for it go to others.
async fn turn_away(mut jobs: mpsc::Receiver<Job>) {
    jobs.close();
    while let Some(job) = jobs.recv().await {
        let _ = job.reply.send(Reply::Returned(job.invocation, job.slot));
    }
}

async fn run(host: Arc<Host>, spec: Arc<FunctionSpec>, room: Room, purpose: Purpose) {
    let Room {
        mut log,
        seat,
        mut handle,
        jobs,
    } = room;
    let mut prepared = match host.prepare(&spec, log.stream()).await {
        Ok(prepared) => prepared,
        Err(NoProgram::Runtime(error)) => {
            purpose.fail(error);
            return turn_away(jobs).await;
        }
        Err(NoProgram::Entrypoint(reason)) => {
            purpose.no_entrypoint(reason, &spec, &mut log);
            return turn_away(jobs).await;
        }
    };
    if let Purpose::Ahead { provisioned: true, .. } = purpose {
        provisioned(&mut prepared.variables);
    }
    let began = Instant::now();
    handle.expires = prepared.credentials.expires;
    let choice = purpose.choice();
    let process = match made_ready(&host, &spec, &prepared, choice, &mut log).await {
        Some(process) => Ok(process),
        None => launch(&host, &spec, &prepared).await,
    };
    let process = match process {
        Ok(process) => process,
        Err(LaunchFailure::Machine(error)) => {
            purpose.fail(error);
            return turn_away(jobs).await;
        }
        Err(LaunchFailure::Program(reason)) => {
            purpose.no_entrypoint(reason, &spec, &mut log);
            return turn_away(jobs).await;
        }
    };
    let mut environment = Environment::new(host, spec, log, seat, prepared, process, jobs, handle, choice);
    if environment.initialise_for(purpose, began).await {
        environment.serve().await;
    }
    environment.end().await;
}

/// Why a process could not be started.
pub(super) enum LaunchFailure {
    Program(String),
    Machine(RuntimeError),
}

/// A process that somebody has prepared: a fork of the version's template, else a worker. Says in the log how it begins.
async fn made_ready(
    host: &Host,
    spec: &Arc<FunctionSpec>,
    prepared: &Prepared,
    choice: EnvironmentChoice,
    log: &mut EnvironmentLog,
) -> Option<Process> {
    let quick = choice != EnvironmentChoice::New;
    if quick && let Some(process) = restore(host, spec, prepared, log).await {
        host.counts.restored();
        return Some(process);
    }
    log.platform(&[PlatformLine::InitStart {
        runtime_version: &prepared.program.runtime_version,
    }]);
    let warnings = [&prepared.program.warning, &prepared.credentials.warning];
    for warning in warnings.into_iter().flatten() {
        log.note(warning.clone());
    }
    let worker = match quick {
        true => host.workers.take(spec, prepared).await,
        false => None,
    };
    match worker {
        Some(_) => host.counts.assigned(),
        None => host.counts.started(),
    }
    worker
}

/// A fork of the version's template, if there is one and it can.
async fn restore(
    host: &Host,
    spec: &Arc<FunctionSpec>,
    prepared: &Prepared,
    log: &mut EnvironmentLog,
) -> Option<Process> {
    let key = Pool::key(spec);
    let template = host.templates.ready(&key)?;
    let runtime_version = &prepared.program.runtime_version;
    log.platform(&[PlatformLine::RestoreStart { runtime_version }]);
    let Prepared {
        program,
        variables,
        credentials,
    } = prepared;
    let spare = match template.take_spare() {
        Some(spare) => Ok(spare),
        None => {
            let platform = host.options.platform.clone();
            Spare::fork(&template.sandbox, &host.launcher, spec, program, platform).await
        }
    };
    match spare.and_then(|spare| spare.begin(variables.clone(), &program.place, credentials)) {
        Ok(process) => Some(process),
        Err(error) => {
            tracing::warn!(function = %spec.function_arn, %error, "a template could not be forked: the environment is started anew");
            host.templates.discard(&key);
            None
        }
    }
}

/// A process of its own.
pub(super) async fn launch(host: &Host, spec: &FunctionSpec, prepared: &Prepared) -> Result<Process, LaunchFailure> {
    let launch = Launch {
        launcher: &host.launcher,
        spec,
        program: &prepared.program,
        variables: prepared.variables.clone(),
        platform: host.options.platform.clone(),
        credentials: None,
    };
    Process::start(launch).await.map_err(|error| match launch_error(error) {
        Ok(reason) => LaunchFailure::Program(reason),
        Err(error) => LaunchFailure::Machine(error),
    })
}
