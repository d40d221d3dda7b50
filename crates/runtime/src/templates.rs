//! Templates of function versions: a process that has imported the handler and stopped, of which new environments are
//! forked. One is made beside the first environment whose initialisation took long enough to be worth it, and stays
//! until its function is changed or its memory is needed for something of more value.

use crate::environment::{Host, Launch, Occurrence, Prepared, Process, Spare};
use crate::log::EnvironmentLog;
use crate::pool::Pool;
use crate::program::{Language, Program, for_template};
use crate::runtime_api::{Call, ContainerCredentials, Refusal};
use crate::{FunctionSpec, RuntimeError};
use danbi_sandbox::{Isolation, Pages, Sandbox};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::AbortHandle;

/// A shorter initialisation is repeated rather than kept in memory.
const WORTH_IT: Duration = Duration::from_millis(40);
/// How long a template may take to import its handler, behind everything else that runs.
const BUILD_LIMIT: Duration = Duration::from_secs(60);
/// Most templates on this machine.
const MAX_TEMPLATES: usize = 256;
/// The share of the machine's available memory, 1/n, that templates may have together.
const MEMORY_SHARE: u64 = 4;
/// Most templates that keep a fork ready.
const MAX_SPARES: usize = 64;
/// How long the event that took a ready fork has the machine for itself before the next one is made.
const SPARE_PAUSE: Duration = Duration::from_millis(30);
/// How often is looked whether the templates still fit.
const LOOK: Duration = Duration::from_secs(30);
/// The longest reason that a template may give for being unfit, in bytes.
const MAX_REASON: usize = 4096;

/// All templates of this machine. Dropping it ends their tasks.
pub(crate) struct Templates {
    state: Mutex<HashMap<Arc<str>, Entry>>,
    building: Semaphore,
    /// Counts what was settled, for who waits for it.
    settled: watch::Sender<u64>,
}

struct Entry {
    spec: Arc<FunctionSpec>,
    stage: Stage,
    /// True once the template shall end.
    retired: watch::Sender<bool>,
    task: Option<AbortHandle>,
}

enum Stage {
    Building,
    Ready(Arc<Template>),
    /// It cannot be forked, or could not be made: environments start as usual.
    Unfit(Unfit),
}

/// What came of making a template.
#[derive(Debug)]
pub(crate) enum Made {
    Ready,
    Unfit(String),
    InitFailed(String),
    TimedOut,
    Machine(String),
}

/// A process that can be forked.
pub(crate) struct Template {
    pub(crate) sandbox: Arc<Sandbox>,
    /// What an environment made of it saves.
    saves: Duration,
    memory_bytes: u64,
    uses: AtomicU64,
    since: Instant,
    /// What forks are made with.
    program: Program,
    spare: Mutex<Option<Spare>>,
    spare_taken: Notify,
    /// What a fork has written to by the end of its first event; nothing until one was looked at.
    written: OnceLock<Pages>,
}

impl Template {
    /// Time saved for each byte held, by the rate at which it was used so far.
    fn value(&self) -> f64 {
        let uses = self.uses.load(Ordering::Relaxed) as f64;
        let rate = (uses + 1.0) / (self.since.elapsed().as_secs_f64() + 60.0);
        self.saves.as_secs_f64() * rate / self.memory_bytes().max(1) as f64
    }

    /// What it holds, with the fork that it keeps ready.
    fn memory_bytes(&self) -> u64 {
        self.memory_bytes + self.spare().as_ref().map_or(0, Spare::memory_bytes)
    }

    /// The fork that is kept ready, if there is one; another one will be made.
    pub(crate) fn take_spare(&self) -> Option<Spare> {
        self.spare_taken.notify_one();
        self.spare().take().filter(Spare::waits)
    }

    /// Lets forks that wait for their event copy these pages until then: they are what another one wrote to.
    pub(crate) fn learn(&self, written: Pages) {
        if self.written.set(written).is_ok()
            && let Some(spare) = self.spare().as_mut()
        {
            self.copy_ahead(spare);
        }
    }

    fn keep(&self, spare: Spare) {
        let mut kept = self.spare();
        self.copy_ahead(kept.insert(spare));
    }

    fn copy_ahead(&self, spare: &mut Spare) {
        if let Some(written) = self.written.get() {
            spare.copy_ahead(written);
        }
    }

    fn spare(&self) -> MutexGuard<'_, Option<Spare>> {
        // Nothing that can panic is done while the lock is held.
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Templates {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            building: Semaphore::new(1),
            settled: watch::Sender::new(0),
        }
    }

    /// The template of this key, if one is ready.
    pub(crate) fn ready(&self, key: &str) -> Option<Arc<Template>> {
        match self.lock().get(key)?.stage {
            Stage::Ready(ref template) if !template.sandbox.program_ended() => {
                template.uses.fetch_add(1, Ordering::Relaxed);
                Some(template.clone())
            }
            _ => None,
        }
    }

    /// The template with this sandbox, as long as nobody knows what its forks write to.
    pub(crate) fn untaught(&self, key: &str, sandbox: &Arc<Sandbox>) -> Option<Arc<Template>> {
        match &self.lock().get(key)?.stage {
            Stage::Ready(template) if Arc::ptr_eq(&template.sandbox, sandbox) && template.written.get().is_none() => {
                Some(template.clone())
            }
            _ => None,
        }
    }

    /// How many templates can be forked now.
    pub(crate) fn count(&self) -> usize {
        let ready = |entry: &&Entry| matches!(entry.stage, Stage::Ready(_));
        self.lock().values().filter(ready).count()
    }

    /// Whether there is a template of this version, by its qualified ARN.
    pub(crate) fn has(&self, function_arn: &str) -> bool {
        let of_version = |entry: &Entry| {
            matches!(entry.stage, Stage::Ready(_)) && entry.spec.function_arn.to_string() == function_arn
        };
        self.lock().values().any(of_version)
    }

    /// Makes a template of what has just initialised in `init`, in the background, where that is possible and worth it.
    pub(crate) fn consider(host: &Arc<Host>, spec: &Arc<FunctionSpec>, prepared: &Prepared, init: Duration) {
        let python = prepared.program.interpreter.as_ref();
        let can = python.is_some_and(|found| found.language == Language::Python) && Self::possible(host, spec).is_ok();
        if can && init >= WORTH_IT {
            // A machine that is full of templates makes no more.
            let _ = Self::begin(host, spec, init);
        }
    }

    /// Makes one now and waits for what comes of it.
    pub(crate) async fn make(host: &Arc<Host>, spec: &Arc<FunctionSpec>) -> Made {
        let key = Pool::key(spec);
        let mut settled = host.templates.settled.subscribe();
        if let Err(reason) = Self::possible(host, spec).and_then(|()| Self::begin(host, spec, WORTH_IT)) {
            return Made::Machine(reason.to_owned());
        }
        loop {
            settled.borrow_and_update();
            match host.templates.lock().get(&key).map(|entry| &entry.stage) {
                Some(Stage::Building) => {}
                Some(Stage::Ready(_)) => return Made::Ready,
                Some(Stage::Unfit(unfit)) => return unfit.made(),
                None => return Made::Machine("it was ended".to_owned()),
            }
            // The sender lives in the host, so waiting ends with a change.
            let _ = settled.changed().await;
        }
    }

    /// Whether the version can have a template here at all.
    fn possible(host: &Host, spec: &FunctionSpec) -> Result<(), &'static str> {
        if host.launcher.capabilities().isolation != Isolation::Namespaces {
            return Err("without namespaces there are no templates");
        }
        if !spec.runtime.starts_with("python") {
            return Err("only Python can be forked");
        }
        if spec.http_command().is_some() {
            return Err("HTTP-server apps are kept, not restored");
        }
        if spec.environment.contains_key("AWS_LAMBDA_EXEC_WRAPPER") {
            return Err("its process is started by a wrapper (AWS_LAMBDA_EXEC_WRAPPER)");
        }
        Ok(())
    }

    /// Starts the making, unless it has been done.
    fn begin(host: &Arc<Host>, spec: &Arc<FunctionSpec>, saves: Duration) -> Result<(), &'static str> {
        let key = Pool::key(spec);
        let mut state = host.templates.lock();
        // What the machine's fault was is tried again.
        let known = |entry: &Entry| !matches!(entry.stage, Stage::Unfit(Unfit::Machine(_)));
        if state.get(&key).is_some_and(known) {
            return Ok(());
        }
        if state.len() >= MAX_TEMPLATES {
            // What could not be forked is remembered only as long as there is room.
            state.retain(|_, entry| !matches!(entry.stage, Stage::Unfit(_)));
            if state.len() >= MAX_TEMPLATES {
                return Err("this machine has as many templates as it may");
            }
        }
        let (retired, hears) = watch::channel(false);
        let task = tokio::spawn(run(host.clone(), spec.clone(), key.clone(), saves, hears));
        let entry = Entry {
            spec: spec.clone(),
            stage: Stage::Building,
            retired,
            task: Some(task.abort_handle()),
        };
        state.insert(key, entry);
        Ok(())
    }

    /// See [`crate::Runtime::retire`].
    pub(crate) fn retire(&self, arn: &str) {
        self.lock().retain(|_, entry| {
            let kept = entry.spec.unqualified_arn() != arn && entry.spec.function_arn.to_string() != arn;
            if !kept {
                entry.retired.send_replace(true);
            }
            kept
        });
        self.tell();
    }

    /// Ends all.
    pub(crate) fn close(&self) {
        for (_, entry) in self.lock().drain() {
            entry.retired.send_replace(true);
        }
        self.tell();
    }

    fn tell(&self) {
        self.settled.send_modify(|count| *count += 1);
    }

    /// Takes a template out that could not be forked.
    pub(crate) fn discard(&self, key: &str) {
        if let Some(entry) = self.lock().remove(key) {
            entry.retired.send_replace(true);
        }
        self.tell();
    }

    /// Settles what was being made; says how many others had to give way.
    fn set(&self, key: &str, stage: Stage) -> u64 {
        if let Some(entry) = self.lock().get_mut(key) {
            entry.stage = stage;
        }
        let evicted = self.make_room();
        self.tell();
        evicted
    }

    /// Ends the templates of the least value until the rest fits.
    fn make_room(&self) -> u64 {
        let limit = available_memory() / MEMORY_SHARE;
        let mut state = self.lock();
        let mut evicted = 0;
        loop {
            let ready = || {
                state.iter().filter_map(|(key, entry)| match &entry.stage {
                    Stage::Ready(template) => Some((key, template)),
                    _ => None,
                })
            };
            if ready().map(|(_, template)| template.memory_bytes()).sum::<u64>() <= limit {
                return evicted;
            }
            let least = ready().min_by(|(_, one), (_, other)| one.value().total_cmp(&other.value()));
            let Some(key) = least.map(|(key, _)| key.clone()) else {
                return evicted;
            };
            if let Some(entry) = state.remove(&key) {
                tracing::debug!(function = %entry.spec.function_arn, "a template gives way");
                entry.retired.send_replace(true);
                evicted += 1;
            }
        }
    }

    /// How many templates keep a fork ready.
    fn spares(&self) -> usize {
        let spare = |entry: &&Entry| matches!(&entry.stage, Stage::Ready(template) if template.spare().is_some());
        self.lock().values().filter(spare).count()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Entry>> {
        // A panic while the lock is held leaves whole map entries behind; nothing is half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Templates {
    fn drop(&mut self) {
        for entry in self.lock().values() {
            if let Some(task) = &entry.task {
                task.abort();
            }
        }
    }
}

/// What the machine could still give to processes, in bytes.
pub(crate) fn available_memory() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Builds a template and owns it until it ends or shall end.
async fn run(
    host: Arc<Host>,
    spec: Arc<FunctionSpec>,
    key: Arc<str>,
    saves: Duration,
    mut retired: watch::Receiver<bool>,
) {
    let mut log = EnvironmentLog::open(&spec, host.sink.clone(), host.clock.clone());
    // One at a time: what is asked for now comes first.
    let Ok(turn) = host.templates.building.acquire().await else {
        return;
    };
    let built = tokio::select! {
        built = build(&host, &spec, &mut log) => built,
        _ = retired.wait_for(|retired| *retired) => return,
    };
    drop(turn);
    let (mut process, program) = match built {
        Ok(built) => built,
        Err(unfit) => {
            if let Some(reason) = unfit.for_the_log() {
                log.note(format!(
                    "[INFO] environments of this version are started anew each time, not restored from a template: {reason}"
                ));
                host.counts.template_unfit();
            }
            if let Unfit::Machine(error) = &unfit {
                tracing::warn!(function = %spec.function_arn, %error, "no template could be made");
            }
            host.templates.set(&key, Stage::Unfit(unfit));
            return;
        }
    };
    let template = Template {
        sandbox: process.sandbox().clone(),
        saves,
        memory_bytes: process.sandbox().memory_bytes().unwrap_or(0),
        uses: AtomicU64::new(0),
        since: Instant::now(),
        program,
        spare: Mutex::default(),
        spare_taken: Notify::new(),
        written: OnceLock::new(),
    };
    tracing::debug!(function = %spec.function_arn, memory = template.memory_bytes, "a template is ready");
    let template = Arc::new(template);
    host.counts.template_made();
    let evicted = host.templates.set(&key, Stage::Ready(template.clone()));
    host.counts.templates_evicted(evicted);
    keep_ready(&host, &spec, &template).await;
    loop {
        let step = tokio::select! {
            _ = template.spare_taken.notified() => Step::MakeSpare,
            occurrence = process.occurrence(&mut log) => Step::Saw(occurrence),
            _ = retired.wait_for(|retired| *retired) => Step::End,
            // Others may have taken the memory since.
            () = tokio::time::sleep(LOOK) => Step::MakeRoom,
        };
        match step {
            Step::MakeSpare => {
                tokio::time::sleep(SPARE_PAUSE).await;
                keep_ready(&host, &spec, &template).await;
            }
            Step::Saw(Occurrence::Exited(_)) => return host.templates.discard(&key),
            Step::Saw(Occurrence::Called(call)) => refuse(call),
            Step::Saw(Occurrence::Printed) if process.sandbox().program_ended() => return host.templates.discard(&key),
            Step::Saw(Occurrence::Printed) => {}
            Step::MakeRoom => host.counts.templates_evicted(host.templates.make_room()),
            Step::End => break,
        }
    }
    // Its sandbox stays for as long as environments live in its namespaces; the program must not.
    if let Err(error) = process.sandbox().signal(rustix::process::Signal::KILL.as_raw()).await {
        tracing::debug!(%error, "a template had ended");
    }
}

/// What the owner of a template does next.
enum Step {
    MakeSpare,
    MakeRoom,
    Saw(Occurrence),
    End,
}

/// Makes the fork that the next environment will be, if there is none and room for it.
async fn keep_ready(host: &Host, spec: &FunctionSpec, template: &Template) {
    if template.spare().is_some() || host.templates.spares() >= MAX_SPARES {
        return;
    }
    let platform = host.options.platform.clone();
    match Spare::fork(&template.sandbox, &host.launcher, spec, &template.program, platform).await {
        Ok(spare) => {
            template.keep(spare);
            host.counts.templates_evicted(host.templates.make_room());
        }
        // Whoever needs a fork will try, and learn what is wrong.
        Err(error) => tracing::debug!(function = %spec.function_arn, %error, "no fork could be kept ready"),
    }
}

/// Why there is no template.
#[derive(Debug)]
enum Unfit {
    /// It said why it cannot be forked.
    Reason(String),
    /// It did not get that far.
    InitFailed(&'static str),
    TimedOut,
    Machine(RuntimeError),
}

impl Unfit {
    fn for_the_log(&self) -> Option<String> {
        match self {
            Self::Reason(reason) => Some(reason.clone()),
            Self::InitFailed(reason) => Some((*reason).to_owned()),
            Self::TimedOut => Some(format!("its initialisation took more than {BUILD_LIMIT:?}")),
            Self::Machine(_) => None,
        }
    }

    fn made(&self) -> Made {
        match self {
            Self::Reason(reason) => Made::Unfit(reason.clone()),
            Self::InitFailed(reason) => Made::InitFailed((*reason).to_owned()),
            Self::TimedOut => Made::TimedOut,
            Self::Machine(error) => Made::Machine(error.to_string()),
        }
    }
}

async fn build(host: &Host, spec: &Arc<FunctionSpec>, log: &mut EnvironmentLog) -> Result<(Process, Program), Unfit> {
    let machine = |error: String| Unfit::Machine(RuntimeError::Sandbox(error));
    let prepared = host
        .prepare(spec, log.stream())
        .await
        .map_err(|error| machine(format!("{error:?}")))?;
    let credentials = ContainerCredentials::of_template(&prepared.credentials, host.clock.now());
    let variables = for_template(prepared.variables, spec, &prepared.program.place, credentials.token());
    let launch = Launch {
        launcher: &host.launcher,
        spec,
        program: &prepared.program,
        variables,
        platform: host.options.platform.clone(),
        credentials: Some(Arc::new(credentials)),
    };
    let mut process = Process::start_template(launch)
        .await
        .map_err(|error| machine(error.to_string()))?;
    let control = process
        .sandbox()
        .control_socket()
        .ok_or_else(|| machine("a template without a control socket".into()))?;
    let mut said = std::pin::pin!(tokio::time::timeout(BUILD_LIMIT, hear(control)));
    let said = loop {
        tokio::select! {
            said = &mut said => break said,
            occurrence = process.occurrence(log) => match occurrence {
                Occurrence::Exited(_) => return Err(Unfit::InitFailed("its initialisation ended the process")),
                Occurrence::Called(Call::InitError { verdict, .. }) => {
                    let _ = verdict.send(Ok(()));
                    return Err(Unfit::InitFailed("its initialisation failed"));
                }
                Occurrence::Called(call) => refuse(call),
                Occurrence::Printed => {}
            },
        }
    };
    match said {
        Ok(Ok(said)) if said == "ready" => Ok((process, prepared.program)),
        Ok(Ok(said)) => Err(Unfit::Reason(match said.strip_prefix("unfit ") {
            Some(reason) => reason.to_owned(),
            None => "its process ended".to_owned(),
        })),
        Ok(Err(error)) => Err(machine(error.to_string())),
        Err(_) => Err(Unfit::TimedOut),
    }
}

/// The next message on a template's control socket; empty when it has ended.
async fn hear(control: Arc<OwnedFd>) -> std::io::Result<String> {
    // The type is for datagrams; what arrives on a seqpacket socket is read the same way.
    let control = tokio::net::UnixDatagram::from_std(control.try_clone()?.into())?;
    let mut bytes = vec![0; MAX_REASON];
    let length = control.recv(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

/// A template gets no events and gives no answers.
fn refuse(call: Call) {
    match call {
        Call::Next { verdict } => drop(verdict.send(Err(Refusal::gone()))),
        Call::InitError { verdict, .. } => drop(verdict.send(Err(Refusal::gone()))),
        // Whoever asks gets an error when the question is dropped.
        other => drop(other),
    }
}
