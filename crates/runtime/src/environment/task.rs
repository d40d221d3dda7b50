use super::event::{Active, Beginning, Ending, Fault};
use super::process::Occurrence;
use super::{Job, Launch, Process, Reply, Spare, Streaming, launch_error};
use crate::lifecycle::Asked;
use crate::log::{EnvironmentLog, PlatformLine, Status};
use crate::pool::{Handle, Pool, Seat, Slot};
use crate::program::{Bootstraps, Interpreters, Language, NoProgram, Program, plan, variables};
use crate::runtime_api::{Call, Event, Refusal, StreamClose, Verdict};
use crate::templates::Templates;
use crate::{EnvironmentState, FunctionSpec, Invocation, Options, RuntimeError};
use bytes::Bytes;
use danbi_core::{Clock, LogSink, RoleCredentials, SessionCredentials};
use danbi_sandbox::{Exit, Launcher};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// How long the first initialisation may take: AWS's limit. The second one has the function's own time-out.
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// How long an event may wait for a process that has answered the one before and not yet asked for another.
const NEXT_LIMIT: Duration = Duration::from_millis(100);
/// How many chunks of a streamed answer may wait for a slow reader.
const STREAM_CHUNKS: usize = 16;

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

impl First {
    fn fail(self, error: RuntimeError) {
        drop(self.slot);
        // The caller may have left.
        let _ = self.reply.send(Reply::Failed(error));
    }
}

/// Takes a seat and starts an environment in it, which begins with `first`.
pub(crate) fn start(host: &Arc<Host>, spec: Arc<FunctionSpec>, first: First) -> Result<(), RuntimeError> {
    let log = EnvironmentLog::open(&spec, host.sink.clone(), host.clock.clone());
    let seat = host.pool.sit(&spec, log.stream())?;
    let id = seat.id;
    let task = tokio::spawn(run(host.clone(), spec, log, seat, first));
    host.pool.owns(id, task.abort_handle());
    Ok(())
}

async fn run(host: Arc<Host>, spec: Arc<FunctionSpec>, mut log: EnvironmentLog, seat: Seat, first: First) {
    let prepared = match host.prepare(&spec, log.stream()).await {
        Ok(prepared) => prepared,
        Err(NoProgram::Runtime(error)) => return first.fail(error),
        Err(NoProgram::Entrypoint(reason)) => {
            let active = Active::start(
                first.invocation,
                first.slot,
                first.reply,
                Beginning::default(),
                &spec,
                &mut log,
            );
            active.finish(Ending::Fault(Fault::entrypoint(reason)), 0, &spec, &mut log);
            return;
        }
    };
    let began = Instant::now();
    let (sender, jobs) = mpsc::channel(1);
    let handle = Handle {
        id: seat.id,
        jobs: sender,
        key: Pool::key(&spec),
        expires: prepared.credentials.expires,
    };
    let process = match restore(&host, &spec, &prepared, &mut log).await {
        Some(process) => Ok(process),
        None => {
            log.platform(&[PlatformLine::InitStart {
                runtime_version: &prepared.program.runtime_version,
            }]);
            let warnings = [&prepared.program.warning, &prepared.credentials.warning];
            for warning in warnings.into_iter().flatten() {
                log.note(warning.clone());
            }
            launch(&host, &spec, &prepared).await
        }
    };
    let process = match process {
        Ok(process) => process,
        Err(failure) => return failure.tell(first, &spec, &mut log),
    };
    let mut environment = Environment {
        host,
        spec,
        log,
        seat,
        prepared,
        process,
        jobs,
        handle: Some(handle),
        active: None,
        redeliver: None,
        waiting: None,
        next: None,
        event_limit: None,
        idle_since: Instant::now(),
        frozen: false,
    };
    if environment.initialise_for(first, began).await {
        environment.serve().await;
    }
    environment.end().await;
}

/// Why a process could not be started.
enum LaunchFailure {
    Program(String),
    Machine(RuntimeError),
}

impl LaunchFailure {
    fn tell(self, first: First, spec: &FunctionSpec, log: &mut EnvironmentLog) {
        match self {
            Self::Machine(error) => first.fail(error),
            Self::Program(reason) => {
                let active = Active::start(
                    first.invocation,
                    first.slot,
                    first.reply,
                    Beginning::default(),
                    spec,
                    log,
                );
                active.finish(Ending::Fault(Fault::entrypoint(reason)), 0, spec, log);
            }
        }
    }
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
            Spare::fork(
                &template.sandbox,
                &host.launcher,
                spec,
                program,
                host.options.platform.clone(),
            )
            .await
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

async fn launch(host: &Host, spec: &FunctionSpec, prepared: &Prepared) -> Result<Process, LaunchFailure> {
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

/// Why an initialisation did not end with a call for the first event.
enum InitFailure {
    Reported {
        error_type: Option<String>,
        document: Bytes,
    },
    Exited(Exit),
    TimedOut,
}

impl InitFailure {
    fn status(&self) -> Status<'_> {
        match self {
            Self::Reported { error_type, .. } => Status::Error(error_type.as_deref().unwrap_or("Runtime.Unknown")),
            Self::Exited(exit) if exit.oom_killed => Status::Error("Runtime.OutOfMemory"),
            Self::Exited(_) => Status::Error("Runtime.ExitError"),
            Self::TimedOut => Status::Timeout,
        }
    }

    fn ending(self, spec: &FunctionSpec) -> Ending {
        match self {
            Self::Reported { error_type, document } => Ending::Failed { error_type, document },
            Self::Exited(exit) => Ending::Fault(Fault::exited(&exit)),
            Self::TimedOut => Ending::Fault(Fault::timed_out(spec)),
        }
    }
}

/// An event that the process has not asked for yet.
struct Waiting {
    invocation: Invocation,
    slot: Slot,
    reply: oneshot::Sender<Reply>,
    since: Instant,
}

impl Waiting {
    fn give_back(self) {
        let _ = self.reply.send(Reply::Returned(self.invocation, self.slot));
    }
}

#[derive(Debug, Clone, Copy)]
enum Alarm {
    /// The event has used up its time.
    EventLimit,
    /// The process does not ask for the event that waits.
    NextLimit,
    /// Idle long enough to be frozen.
    Freeze,
    /// Idle long enough to be ended.
    IdleEnd,
}

struct Environment {
    host: Arc<Host>,
    spec: Arc<FunctionSpec>,
    log: EnvironmentLog,
    seat: Seat,
    prepared: Prepared,
    process: Process,
    jobs: mpsc::Receiver<Job>,
    /// Here while busy, in the pool while idle.
    handle: Option<Handle>,
    active: Option<Active>,
    /// An event whose connection broke before it was written.
    redeliver: Option<Event>,
    waiting: Option<Waiting>,
    /// The process waits for an event.
    next: Option<Verdict<Event>>,
    /// When the event's time is over; stays until the process asks for the next one.
    event_limit: Option<Instant>,
    idle_since: Instant,
    frozen: bool,
}

impl Environment {
    /// Waits for the process to be ready and hands it the first event. When that fails it is started once more, on the
    /// event's own time, as AWS does. False when the environment is over.
    async fn initialise_for(&mut self, first: First, began: Instant) -> bool {
        let First {
            invocation,
            slot,
            reply,
        } = first;
        let Err(failure) = self.initialise(began + INIT_LIMIT).await else {
            let beginning = self.begun(began.elapsed());
            self.hand_over(invocation, slot, reply, beginning);
            return true;
        };
        self.process.kill(&mut self.log).await;
        self.report_init(began, "init", &failure);

        let active = Active::start(invocation, slot, reply, Beginning::default(), &self.spec, &mut self.log);
        let began = active.started;
        match launch(&self.host, &self.spec, &self.prepared).await {
            Ok(process) => self.process = process,
            Err(LaunchFailure::Program(reason)) => {
                active.finish(Ending::Fault(Fault::entrypoint(reason)), 0, &self.spec, &mut self.log);
                return false;
            }
            Err(LaunchFailure::Machine(error)) => {
                active.give_up(error);
                return false;
            }
        }
        if let Err(failure) = self.initialise(began + self.spec.timeout).await {
            let memory = self.process.max_memory_mib();
            self.process.kill(&mut self.log).await;
            self.report_init(began, "invoke", &failure);
            self.seat.vacate();
            active.finish(failure.ending(&self.spec), memory, &self.spec, &mut self.log);
            return false;
        }
        self.deliver(active);
        true
    }

    /// The process is ready for its first event after `took`.
    fn begun(&mut self, took: Duration) -> Beginning {
        let ms = Some(took.as_secs_f64() * 1000.0);
        if self.process.sandbox().parent().is_some() {
            if let Some(restore_ms) = ms {
                self.log.platform(&[PlatformLine::RestoreReport { restore_ms }]);
            }
            return Beginning {
                init_ms: None,
                restore_ms: ms,
            };
        }
        Templates::consider(&self.host, &self.spec, &self.prepared, took);
        Beginning {
            init_ms: ms,
            restore_ms: None,
        }
    }

    fn report_init(&mut self, began: Instant, phase: &'static str, failure: &InitFailure) {
        let init_ms = began.elapsed().as_secs_f64() * 1000.0;
        self.log.platform(&[PlatformLine::InitReport {
            init_ms,
            phase,
            status: failure.status(),
        }]);
    }

    async fn initialise(&mut self, limit: Instant) -> Result<(), InitFailure> {
        loop {
            let occurrence = tokio::select! {
                biased;
                occurrence = self.process.occurrence(&mut self.log) => occurrence,
                () = tokio::time::sleep_until(limit.into()) => return Err(InitFailure::TimedOut),
            };
            match occurrence {
                Occurrence::Printed => {}
                Occurrence::Exited(exit) => {
                    self.process.drain_output(&mut self.log);
                    return Err(InitFailure::Exited(exit));
                }
                Occurrence::Called(Call::InitError {
                    error_type,
                    document,
                    verdict,
                }) => {
                    let allowed = self.process.lifecycle.fail_init();
                    let failed = allowed.is_ok();
                    let _ = verdict.send(allowed);
                    if failed {
                        return Err(InitFailure::Reported { error_type, document });
                    }
                }
                Occurrence::Called(Call::Next { verdict }) => match self.process.lifecycle.ask_next() {
                    Ok(_) => {
                        self.process.drain_output(&mut self.log);
                        self.next = Some(verdict);
                        return Ok(());
                    }
                    Err(refusal) => drop(verdict.send(Err(refusal))),
                },
                Occurrence::Called(call) => self.answer_call(call).await,
            }
        }
    }

    /// One event after another, until the environment's end.
    async fn serve(&mut self) {
        loop {
            let alarm = self.alarm();
            let at = alarm.map_or_else(|| Instant::now() + INIT_LIMIT, |(at, _)| at);
            let free = self.active.is_none() && self.waiting.is_none();
            tokio::select! {
                biased;
                occurrence = self.process.occurrence(&mut self.log) => match occurrence {
                    Occurrence::Printed => {}
                    Occurrence::Called(call) => self.answer_call(call).await,
                    Occurrence::Exited(exit) => {
                        self.finish(Ending::Fault(Fault::exited(&exit)), false);
                        return;
                    }
                },
                job = self.jobs.recv(), if free => match job {
                    Some(job) => if !self.take_job(job).await { return },
                    None => return,
                },
                () = tokio::time::sleep_until(at.into()), if alarm.is_some() => {
                    let Some((_, alarm)) = alarm else { continue };
                    if !self.ring(alarm).await { return }
                }
            }
        }
    }

    fn alarm(&self) -> Option<(Instant, Alarm)> {
        if let Some(limit) = self.event_limit {
            let next = self.waiting.as_ref().map(|waiting| waiting.since + NEXT_LIMIT);
            return Some(match next {
                Some(next) if next < limit => (next, Alarm::NextLimit),
                _ => (limit, Alarm::EventLimit),
            });
        }
        if let Some(waiting) = &self.waiting {
            return Some((waiting.since + NEXT_LIMIT, Alarm::NextLimit));
        }
        if self.active.is_some() {
            return None;
        }
        let options = &self.host.options;
        Some(match self.frozen {
            false => (self.idle_since + options.freeze_after, Alarm::Freeze),
            true => (self.idle_since + options.idle_timeout, Alarm::IdleEnd),
        })
    }

    /// False when the environment is over.
    async fn ring(&mut self, alarm: Alarm) -> bool {
        match alarm {
            Alarm::EventLimit => {
                let memory = self.process.max_memory_mib();
                self.process.kill(&mut self.log).await;
                self.seat.vacate();
                if let Some(active) = self.active.take() {
                    active.finish(
                        Ending::Fault(Fault::timed_out(&self.spec)),
                        memory,
                        &self.spec,
                        &mut self.log,
                    );
                }
                return false;
            }
            Alarm::NextLimit => {
                if let Some(waiting) = self.waiting.take() {
                    waiting.give_back();
                }
            }
            Alarm::Freeze => {
                match self.process.sandbox().freeze().await {
                    Ok(()) => self.seat.gauge.set(EnvironmentState::Frozen),
                    Err(error) => tracing::warn!(%error, "an idle environment could not be frozen: it goes on running"),
                }
                // Tried once: a thaw of what runs does no harm.
                self.frozen = true;
            }
            Alarm::IdleEnd => {
                let key = Pool::key(&self.spec);
                if self.host.pool.withdraw(self.seat.id, &key) {
                    return false;
                }
                // Somebody has just taken it: an event is on its way.
                self.idle_since = Instant::now();
            }
        }
        true
    }

    /// False when the process cannot take it any more.
    async fn take_job(&mut self, job: Job) -> bool {
        let Job {
            invocation,
            slot,
            handle,
            reply,
        } = job;
        self.handle = Some(handle);
        self.seat.gauge.set(EnvironmentState::Busy);
        let waiting = Waiting {
            invocation,
            slot,
            reply,
            since: Instant::now(),
        };
        if self.frozen && self.process.sandbox().thaw().await.is_err() {
            waiting.give_back();
            return false;
        }
        self.frozen = false;
        if self.next.as_ref().is_some_and(|next| !next.is_closed()) {
            self.hand_over(waiting.invocation, waiting.slot, waiting.reply, Beginning::default());
        } else {
            self.waiting = Some(waiting);
        }
        true
    }

    fn hand_over(&mut self, invocation: Invocation, slot: Slot, reply: oneshot::Sender<Reply>, beginning: Beginning) {
        let active = Active::start(invocation, slot, reply, beginning, &self.spec, &mut self.log);
        self.deliver(active);
    }

    fn deliver(&mut self, active: Active) {
        let invocation = &active.invocation;
        let deadline = active.started + self.spec.timeout;
        let left = deadline.saturating_duration_since(Instant::now());
        let left_ms = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
        let event = Event {
            request_id: invocation.request_id.clone(),
            deadline_ms: self.host.clock.now().plus_millis(left_ms).as_millis(),
            invoked_arn: invocation.invoked_arn.clone(),
            trace_id: active.trace_id().to_owned(),
            client_context: invocation.client_context.clone(),
            cognito_identity: invocation.cognito_identity.clone(),
            payload: invocation.payload.clone(),
        };
        self.seat.gauge.set(EnvironmentState::Busy);
        self.seat.gauge.count_event();
        self.active = Some(active);
        self.event_limit = Some(deadline);
        self.send_event(event);
    }

    fn send_event(&mut self, event: Event) {
        let Some(next) = self.next.take() else {
            self.redeliver = Some(event);
            return;
        };
        self.process.lifecycle.hand_over(&event.request_id);
        if let Err(Ok(event)) = next.send(Ok(event)) {
            // The process has given up waiting; it gets the event when it asks again.
            self.process.lifecycle.take_back();
            self.redeliver = Some(event);
        }
    }

    async fn answer_call(&mut self, call: Call) {
        match call {
            Call::Next { verdict } => match self.process.lifecycle.ask_next() {
                Ok(asked) => self.asked(asked, verdict),
                Err(refusal) => drop(verdict.send(Err(refusal))),
            },
            Call::Answer {
                request_id,
                payload,
                verdict,
            } => {
                let allowed = self.process.lifecycle.answer(&request_id);
                self.conclude(allowed, verdict, Ending::Answered(payload));
            }
            Call::Error {
                request_id,
                error_type,
                document,
                verdict,
            } => {
                let allowed = self.process.lifecycle.fail(&request_id);
                self.conclude(allowed, verdict, Ending::Failed { error_type, document });
            }
            Call::TooLarge { request_id, verdict } => {
                let allowed = self.process.lifecycle.answer(&request_id);
                self.conclude(allowed, verdict, Ending::Fault(Fault::too_large()));
            }
            Call::Truncated { request_id, verdict } => {
                let allowed = self.process.lifecycle.answer(&request_id);
                self.conclude(allowed, verdict, Ending::Fault(Fault::truncated()));
            }
            Call::WrongMode { request_id, verdict } => match self.process.lifecycle.answer(&request_id) {
                Ok(()) => {
                    let _ = verdict.send(Err(Refusal::wrong_mode()));
                    self.finish(Ending::Fault(Fault::wrong_mode()), true);
                }
                Err(refusal) => drop(verdict.send(Err(refusal))),
            },
            Call::Stream {
                request_id,
                content_type,
                verdict,
            } => {
                let allowed = self.process.lifecycle.begin_stream(&request_id);
                let _ = verdict.send(allowed.map(|()| self.open_stream(content_type)));
            }
            Call::StreamEnd {
                request_id,
                close,
                verdict,
            } => {
                let open = self.process.lifecycle.end_stream(&request_id);
                let ending = match close {
                    StreamClose::Complete => Ending::Answered(Bytes::new()),
                    StreamClose::Failed { error_type, document } => Ending::Failed {
                        error_type: Some(error_type),
                        document,
                    },
                    StreamClose::Truncated => Ending::Fault(Fault::truncated()),
                    StreamClose::TooLarge => Ending::Fault(Fault::too_large()),
                };
                let allowed = if open {
                    Ok(())
                } else {
                    Err(Refusal::invalid_request_id())
                };
                self.conclude(allowed, verdict, ending);
            }
            Call::InitError { verdict, .. } => {
                let _ = verdict.send(self.process.lifecycle.fail_init());
            }
        }
    }

    fn asked(&mut self, asked: Asked, verdict: Verdict<Event>) {
        self.next = Some(verdict);
        if let Some(event) = self.redeliver.take() {
            self.send_event(event);
            return;
        }
        if asked == Asked::Again {
            self.event_limit = None;
            self.idle_since = Instant::now();
        }
        if let Some(waiting) = self.waiting.take() {
            self.hand_over(waiting.invocation, waiting.slot, waiting.reply, Beginning::default());
        } else if self.active.is_none()
            && let Some(handle) = self.handle.take()
        {
            // An event was given back because the process was late; now it can take others.
            self.host.pool.release(handle);
        }
    }

    fn conclude(&mut self, allowed: Result<(), Refusal>, verdict: Verdict<()>, ending: Ending) {
        let over = allowed.is_ok();
        let _ = verdict.send(allowed);
        if over {
            self.finish(ending, true);
        }
    }

    fn open_stream(&mut self, content_type: Option<String>) -> mpsc::Sender<Bytes> {
        let (sender, chunks) = mpsc::channel(STREAM_CHUNKS);
        let (end_sender, end) = oneshot::channel();
        if let Some(active) = &mut self.active {
            active.stream(
                Streaming {
                    content_type,
                    chunks,
                    end,
                },
                end_sender,
            );
        }
        sender
    }

    /// The event is over. The environment is offered for the next one before the caller learns of it, so that a caller
    /// that asks again at once finds it.
    fn finish(&mut self, ending: Ending, reusable: bool) {
        self.process.drain_output(&mut self.log);
        let Some(active) = self.active.take() else { return };
        let memory = self.process.max_memory_mib();
        if reusable {
            self.idle_since = Instant::now();
            self.seat.gauge.set(EnvironmentState::Idle);
            if let Some(handle) = self.handle.take() {
                self.host.pool.release(handle);
            }
        } else {
            self.seat.vacate();
        }
        active.finish(ending, memory, &self.spec, &mut self.log);
    }

    /// Ends the sandbox. An event that the process has not seen goes back to who gave it.
    async fn end(mut self) {
        self.host.pool.withdraw(self.seat.id, &Pool::key(&self.spec));
        self.handle = None;
        self.jobs.close();
        if let Some(waiting) = self.waiting.take() {
            waiting.give_back();
        }
        while let Some(Job {
            invocation,
            slot,
            reply,
            ..
        }) = self.jobs.recv().await
        {
            let _ = reply.send(Reply::Returned(invocation, slot));
        }
        self.process.kill(&mut self.log).await;
    }
}
