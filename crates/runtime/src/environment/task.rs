use super::event::{Active, Beginning, Ending, Fault};
use super::process::Occurrence;
use super::start::{LaunchFailure, launch};
use super::{First, Host, Job, Prepared, Process, Purpose, Reply, Streaming};
use crate::ahead::NotAhead;
use crate::lifecycle::Asked;
use crate::log::{EnvironmentLog, PlatformLine, Status};
use crate::pool::{Door, Handle, Pool, Seat, Slot};
use crate::runtime_api::{Call, Event, Refusal, StreamClose, Verdict};
use crate::templates::Templates;
use crate::workers::Workers;
use crate::{EnvironmentChoice, EnvironmentState, FunctionSpec, Invocation};
use bytes::Bytes;
use danbi_sandbox::{Exit, Pages};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// How long the first initialisation may take: AWS's limit. The second one has the function's own time-out.
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// The same where nobody waits for it: AWS's limit for provisioned concurrency, unless the function's own is longer.
const INIT_AHEAD_LIMIT: Duration = Duration::from_secs(130);
/// How long an event may wait for a process that has answered the one before and not yet asked for another.
const NEXT_LIMIT: Duration = Duration::from_millis(100);
/// The same where a process takes several events: places are taken before it has asked for as many.
const NEXT_LIMIT_SHARED: Duration = Duration::from_secs(1);
/// How many chunks of a streamed answer may wait for a slow reader.
const STREAM_CHUNKS: usize = 16;

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

    fn not_ahead(&self) -> NotAhead {
        match self {
            Self::TimedOut => NotAhead::TimedOut,
            Self::Exited(_) => NotAhead::Function("the process ended while it initialised".to_owned()),
            Self::Reported { error_type, .. } => NotAhead::Function(error_type.clone().unwrap_or_default()),
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

pub(super) struct Environment {
    host: Arc<Host>,
    spec: Arc<FunctionSpec>,
    log: EnvironmentLog,
    seat: Seat,
    prepared: Prepared,
    process: Process,
    jobs: mpsc::Receiver<Job>,
    /// How many events it takes at once.
    places: usize,
    /// Those whose events are here; the others are in the pool.
    handles: Vec<Handle>,
    door: Door,
    active: Vec<Active>,
    /// Events whose connection broke before they were written.
    redeliver: VecDeque<Event>,
    waiting: VecDeque<Waiting>,
    /// The process waits for so many events.
    polls: VecDeque<Verdict<Event>>,
    /// For a process that takes one event: when the time of the last one is over, until it asks for the next one.
    lingering: Option<Instant>,
    idle_since: Instant,
    /// Events that it has been given.
    events: u64,
    frozen: bool,
    /// It is still to ask for as many events as it takes.
    opening: bool,
    /// It takes no more events.
    ending: bool,
    choice: EnvironmentChoice,
}

impl Environment {
    #[expect(clippy::too_many_arguments, reason = "each is a part that it owns from here on")]
    pub(super) fn new(
        host: Arc<Host>,
        spec: Arc<FunctionSpec>,
        log: EnvironmentLog,
        seat: Seat,
        prepared: Prepared,
        process: Process,
        jobs: mpsc::Receiver<Job>,
        handle: Handle,
        choice: EnvironmentChoice,
    ) -> Self {
        let places = spec.places();
        Self {
            host,
            spec,
            log,
            seat,
            prepared,
            process,
            jobs,
            places,
            door: handle.door(),
            handles: vec![handle],
            active: Vec::new(),
            redeliver: VecDeque::new(),
            waiting: VecDeque::new(),
            polls: VecDeque::new(),
            lingering: None,
            idle_since: Instant::now(),
            events: 0,
            frozen: false,
            opening: places > 1,
            ending: false,
            choice,
        }
    }

    /// Waits for the process to be ready for what it was made for. False when the environment is over.
    pub(super) async fn initialise_for(&mut self, purpose: Purpose, began: Instant) -> bool {
        match purpose {
            Purpose::Event(first) => self.initialise_for_event(*first, began).await,
            Purpose::Ahead { done, .. } => {
                let outcome = self.initialise_ahead(began).await;
                let ready = outcome.is_ok();
                // Who asked may have left; the environment is there all the same.
                let _ = done.send(outcome);
                ready
            }
        }
    }

    /// Waits for the process to be ready, and offers the environment for events to come.
    async fn initialise_ahead(&mut self, began: Instant) -> Result<(), NotAhead> {
        if let Err(failure) = self.initialise(began + INIT_AHEAD_LIMIT.max(self.spec.timeout)).await {
            self.process.kill(&mut self.log).await;
            self.report_init(began, "init", &failure);
            self.seat.vacate();
            return Err(failure.not_ahead());
        }
        self.begun(began.elapsed());
        self.idle_since = Instant::now();
        self.seat.gauge.set(EnvironmentState::Idle);
        if let Some(handle) = self.handles.pop() {
            self.host.pool.release(handle);
        }
        Ok(())
    }

    /// Hands the process the first event once it is ready. When that fails it is started once more, on the event's own
    /// time, as AWS does.
    async fn initialise_for_event(&mut self, first: First, began: Instant) -> bool {
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

        let beginning = Beginning {
            failed_ms: Some(began.elapsed().as_secs_f64() * 1000.0),
            ..Beginning::default()
        };
        let active = Active::start(invocation, slot, reply, beginning, &self.spec, &mut self.log);
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
                restore_ms: ms,
                ..Beginning::default()
            };
        }
        // What is only measured shall not change what comes after it.
        if self.choice != EnvironmentChoice::New {
            Templates::consider(&self.host, &self.spec, &self.prepared, took);
            Workers::expect(&self.host, &self.spec, &self.prepared.program, true);
        }
        Beginning {
            init_ms: ms,
            ..Beginning::default()
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
                Occurrence::Called(Call::Next { verdict }) => match self.process.lifecycle.ask_next(0) {
                    Ok(_) => {
                        self.process.drain_output(&mut self.log);
                        self.polls.push_back(verdict);
                        return Ok(());
                    }
                    Err(refusal) => drop(verdict.send(Err(refusal))),
                },
                Occurrence::Called(call) => self.answer_call(call).await,
            }
        }
    }

    /// One event after another, or as many at once as there are places, until the environment's end.
    pub(super) async fn serve(&mut self) {
        loop {
            let alarm = self.alarm();
            let at = alarm.map_or_else(|| Instant::now() + INIT_LIMIT, |(at, _)| at);
            let free = self.active.len() + self.waiting.len() < self.places;
            tokio::select! {
                biased;
                occurrence = self.process.occurrence(&mut self.log) => match occurrence {
                    Occurrence::Printed => {}
                    Occurrence::Called(call) => self.answer_call(call).await,
                    Occurrence::Exited(exit) => return self.exited(&exit),
                },
                job = self.jobs.recv(), if free && !self.ending => match job {
                    Some(job) => if !self.take_job(job).await { return },
                    None => self.ending = true,
                },
                () = tokio::time::sleep_until(at.into()), if alarm.is_some() => {
                    let Some((_, alarm)) = alarm else { continue };
                    if !self.ring(alarm).await { return }
                }
            }
            if self.ending && self.active.is_empty() {
                return;
            }
        }
    }

    /// Whether the process waits for an event.
    fn asks(&self) -> bool {
        self.polls.iter().any(|next| !next.is_closed())
    }

    fn alarm(&self) -> Option<(Instant, Alarm)> {
        let patience = if self.places > 1 { NEXT_LIMIT_SHARED } else { NEXT_LIMIT };
        let next = self.waiting.front().map(|waiting| waiting.since + patience);
        let limits = self.active.iter().map(|active| active.started + self.spec.timeout);
        if let Some(limit) = limits.min().or(self.lingering) {
            return Some(match next {
                Some(next) if next < limit => (next, Alarm::NextLimit),
                _ => (limit, Alarm::EventLimit),
            });
        }
        if let Some(next) = next {
            return Some((next, Alarm::NextLimit));
        }
        if !self.frozen && !self.asks() {
            // It has work of its own to do still, or is about to end: what is left of an event's time is for that.
            return Some((self.idle_since + self.spec.timeout, Alarm::EventLimit));
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
            Alarm::EventLimit => return self.end_overdue().await,
            Alarm::NextLimit => {
                self.settled();
                if let Some(waiting) = self.waiting.pop_front() {
                    waiting.give_back();
                }
            }
            // Nothing tells when a process gives its places up, as one does that ends after an error: looked at again.
            Alarm::Freeze if !self.asks() => {}
            Alarm::Freeze => {
                self.teach().await;
                match self.process.sandbox().freeze().await {
                    Ok(()) => self.seat.gauge.set(EnvironmentState::Frozen),
                    Err(error) => tracing::warn!(%error, "an idle environment could not be frozen: it goes on running"),
                }
                // Tried once: a thaw of what runs does no harm.
                self.frozen = true;
            }
            Alarm::IdleEnd => {
                // Kept, as provisioned concurrency is; or somebody has just taken it, and an event is on its way.
                if self
                    .host
                    .pool
                    .withdraw_unless_kept(self.seat.id, &Pool::key(&self.spec))
                {
                    return false;
                }
                self.idle_since = Instant::now();
            }
        }
        true
    }

    /// Ends the events whose time is over, and with the last one the process. Nothing can stop one event of a process
    /// that works on several, so it takes no more, and ends when the others are answered or out of time themselves.
    async fn end_overdue(&mut self) -> bool {
        let now = Instant::now();
        let limit = self.spec.timeout;
        let memory = self.process.max_memory_mib();
        let mut overdue: Vec<Active> = self
            .active
            .extract_if(.., |active| active.started + limit <= now)
            .collect();
        let last = self.active.is_empty();
        if last {
            self.process.kill(&mut self.log).await;
            self.seat.vacate();
        } else {
            self.process.read_output(&mut self.log);
            self.wind_up();
        }
        for active in overdue.drain(..) {
            self.process.lifecycle.expire(&active.invocation.request_id);
            let ending = Ending::Fault(Fault::timed_out(&self.spec));
            active.finish(ending, memory, &self.spec, &mut self.log);
        }
        !last
    }

    /// Takes no more events; those that the process has not seen go to other environments.
    fn wind_up(&mut self) {
        self.ending = true;
        self.host.pool.dismiss(self.seat.id);
        self.handles.clear();
        self.jobs.close();
        self.give_back_waiting();
        // What is just being sent comes back at the end.
        while let Ok(job) = self.jobs.try_recv() {
            let _ = job.reply.send(Reply::Returned(job.invocation, job.slot));
        }
    }

    fn give_back_waiting(&mut self) {
        for waiting in self.waiting.drain(..) {
            waiting.give_back();
        }
    }

    /// The process is gone, and every event with it.
    fn exited(&mut self, exit: &Exit) {
        self.process.drain_output(&mut self.log);
        let memory = self.process.max_memory_mib();
        self.seat.vacate();
        for active in self.active.drain(..) {
            let ending = Ending::Fault(Fault::exited(exit));
            active.finish(ending, memory, &self.spec, &mut self.log);
        }
    }

    /// False when the process cannot take it any more.
    async fn take_job(&mut self, job: Job) -> bool {
        let Job {
            invocation,
            slot,
            mut handle,
            reply,
        } = job;
        // One that came in before the credentials were there does not know when they end.
        handle.expires = self.door.expires();
        self.handles.push(handle);
        self.seat.gauge.set(EnvironmentState::Busy);
        let waiting = Waiting {
            invocation,
            slot,
            reply,
            since: Instant::now(),
        };
        if self.frozen {
            if self.process.sandbox().thaw().await.is_err() {
                waiting.give_back();
                return false;
            }
            self.frozen = false;
            self.idle_since = Instant::now();
        }
        if self.asks() {
            self.hand_over(waiting.invocation, waiting.slot, waiting.reply, Beginning::default());
        } else {
            self.waiting.push_back(waiting);
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
        self.events += 1;
        self.active.push(active);
        self.lingering = None;
        self.send_event(event);
    }

    fn send_event(&mut self, mut event: Event) {
        while let Some(next) = self.polls.pop_front() {
            if next.is_closed() {
                continue;
            }
            let request_id = event.request_id.clone();
            self.process.lifecycle.hand_over(&request_id);
            match next.send(Ok(event)) {
                Err(Ok(unsent)) => {
                    self.process.lifecycle.take_back(&request_id);
                    event = unsent;
                }
                Ok(()) | Err(Err(_)) => return,
            }
        }
        // The process has given up waiting; it gets the event when it asks again.
        self.redeliver.push_back(event);
    }

    async fn answer_call(&mut self, call: Call) {
        match call {
            Call::Next { verdict } => {
                self.polls.retain(|next| !next.is_closed());
                match self.process.lifecycle.ask_next(self.polls.len()) {
                    Ok(asked) => self.asked(asked, verdict),
                    Err(refusal) => drop(verdict.send(Err(refusal))),
                }
            }
            Call::Answer {
                request_id,
                payload,
                verdict,
            } => {
                let allowed = self.process.lifecycle.answer(&request_id);
                self.conclude(&request_id, allowed, verdict, Ending::Answered(payload));
            }
            Call::Error {
                request_id,
                error_type,
                document,
                verdict,
            } => {
                let allowed = self.process.lifecycle.fail(&request_id);
                self.conclude(&request_id, allowed, verdict, Ending::Failed { error_type, document });
            }
            Call::TooLarge { request_id, verdict } => {
                let allowed = self.process.lifecycle.answer(&request_id);
                self.conclude(&request_id, allowed, verdict, Ending::Fault(Fault::too_large()));
            }
            Call::Truncated { request_id, verdict } => {
                let allowed = self.process.lifecycle.answer(&request_id);
                self.conclude(&request_id, allowed, verdict, Ending::Fault(Fault::truncated()));
            }
            Call::WrongMode { request_id, verdict } => match self.process.lifecycle.answer(&request_id) {
                Ok(()) => {
                    let _ = verdict.send(Err(Refusal::wrong_mode()));
                    self.finish(&request_id, Ending::Fault(Fault::wrong_mode()));
                }
                Err(refusal) => drop(verdict.send(Err(refusal))),
            },
            Call::Stream {
                request_id,
                content_type,
                verdict,
            } => {
                let allowed = self.process.lifecycle.begin_stream(&request_id);
                let _ = verdict.send(allowed.map(|()| self.open_stream(&request_id, content_type)));
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
                self.conclude(&request_id, allowed, verdict, ending);
            }
            Call::InitError { verdict, .. } => {
                let _ = verdict.send(self.process.lifecycle.fail_init());
            }
            // Workers ask before they are anybody's environment.
            Call::Assignment { verdict } => drop(verdict.send(Err(Refusal::no_such_path()))),
        }
    }

    fn asked(&mut self, asked: Asked, verdict: Verdict<Event>) {
        if self.places == 1 {
            self.polls.clear();
        }
        self.polls.push_back(verdict);
        if self.polls.len() + self.active.len() >= self.places {
            self.settled();
        }
        if let Some(event) = self.redeliver.pop_front() {
            self.send_event(event);
            return;
        }
        if self.ending {
            // Who asks now waits for what does not come: refused, the process might end, and its other events with it.
            return;
        }
        if asked == Asked::Again {
            self.lingering = None;
            self.idle_since = Instant::now();
        }
        if let Some(waiting) = self.waiting.pop_front() {
            self.hand_over(waiting.invocation, waiting.slot, waiting.reply, Beginning::default());
        } else if let Some(handle) = self.free_handle() {
            self.host.pool.release(handle);
        }
    }

    /// From here on it is given as many events as it asks for.
    fn settled(&mut self) {
        if std::mem::take(&mut self.opening) {
            self.host.pool.settled(self.seat.id);
        }
    }

    /// A handle for the event that the process has just asked for, when there is none in the pool already.
    fn free_handle(&mut self) -> Option<Handle> {
        if self.handles.len() > self.active.len() {
            // An event was given back because the process was late; now it can take others.
            return self.handles.pop();
        }
        if self.places == 1 || self.choice != EnvironmentChoice::Any {
            return None;
        }
        self.door.open(self.places.min(self.polls.len() + self.active.len()))
    }

    fn conclude(&mut self, request_id: &str, allowed: Result<(), Refusal>, verdict: Verdict<()>, ending: Ending) {
        let over = allowed.is_ok();
        let _ = verdict.send(allowed);
        if over {
            self.finish(request_id, ending);
        }
    }

    fn open_stream(&mut self, request_id: &str, content_type: Option<String>) -> mpsc::Sender<Bytes> {
        let (sender, chunks) = mpsc::channel(STREAM_CHUNKS);
        let (end_sender, end) = oneshot::channel();
        // Of an event that was ended nobody reads any more.
        if let Some(active) = self.active.iter_mut().find(|active| active.is(request_id)) {
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
    fn finish(&mut self, request_id: &str, ending: Ending) {
        let Some(at) = self.active.iter().position(|active| active.is(request_id)) else {
            return;
        };
        let active = self.active.swap_remove(at);
        if self.active.is_empty() {
            self.process.drain_output(&mut self.log);
            self.idle_since = Instant::now();
            self.seat.gauge.set(EnvironmentState::Idle);
        } else {
            self.process.read_output(&mut self.log);
        }
        let memory = self.process.max_memory_mib();
        if self.places == 1 {
            self.lingering = Some(active.started + self.spec.timeout);
        }
        // One that was made to be measured takes no second event: without a handle it ends.
        let handle = self.handles.pop().filter(|_| self.choice == EnvironmentChoice::Any);
        if let Some(handle) = handle {
            self.host.pool.release(handle);
        }
        active.finish(ending, memory, &self.spec, &mut self.log);
    }

    /// Ends the sandbox. An event that the process has not seen goes back to who gave it.
    pub(super) async fn end(mut self) {
        self.host.pool.withdraw(self.seat.id, &Pool::key(&self.spec));
        self.handles.clear();
        self.jobs.close();
        self.give_back_waiting();
        while let Some(job) = self.jobs.recv().await {
            let _ = job.reply.send(Reply::Returned(job.invocation, job.slot));
        }
        self.teach().await;
        self.process.kill(&mut self.log).await;
    }

    /// After the first event of a fork: what it has written to, the next fork will write to.
    async fn teach(&self) {
        let sandbox = self.process.sandbox();
        let parent = sandbox.parent().filter(|_| self.events == 1);
        let untaught = parent.and_then(|parent| self.host.templates.untaught(&Pool::key(&self.spec), parent));
        let Some(template) = untaught else { return };
        let sandbox = sandbox.clone();
        let looked = tokio::task::spawn_blocking(move || sandbox.own_pages()).await;
        let Ok(looked) = looked else { return };
        template.learn(looked.unwrap_or_else(|error| {
            tracing::debug!(%error, "what a fork writes to is not known");
            Pages::default()
        }));
    }
}
