use super::connection::{Connections, ready_path_answers};
use crate::environment::{Host, Launch, Occurrence, Prepared, Process, launch_error};
use crate::log::{EnvironmentLog, PlatformLine};
use crate::pool::{Gauge, Seat};
use crate::program::NoProgram;
use crate::{EnvironmentState, FunctionSpec, RuntimeError};
use danbi_sandbox::{Exit, Sandbox};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Requests at once when the app does not say.
const DEFAULT_CONCURRENCY: usize = 64;
/// Between two looks at whether the app listens yet; doubles up to [`SLOWEST_LOOK`].
const FIRST_LOOK: Duration = Duration::from_millis(2);
const SLOWEST_LOOK: Duration = Duration::from_millis(50);
/// How long an app may take to end after SIGTERM.
const TERM_GRACE: Duration = Duration::from_secs(2);
/// How long requests (WebSockets above all) may keep a retired instance: AWS's longest event.
const RETIRED_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Whose tail an app's log has: nobody's, since its lines belong to no request.
const WHOLE: &str = "";

/// Where an instance stands.
#[derive(Clone)]
pub(super) enum Stage {
    Starting,
    Ready(Arc<Connections>),
    /// It takes no more requests; why, in words for the response.
    Ended(Arc<str>),
    /// Likewise, and the platform is why.
    Refused(RuntimeError),
}

/// One running process of an app.
pub(super) struct Instance {
    stage: watch::Sender<Stage>,
    load: watch::Sender<usize>,
    retired: watch::Receiver<bool>,
    gauge: Arc<Gauge>,
    limit: usize,
}

impl Instance {
    pub(super) fn takes_requests(&self) -> bool {
        !*self.retired.borrow() && matches!(*self.stage.borrow(), Stage::Starting | Stage::Ready(_))
    }

    pub(super) fn load(&self) -> usize {
        *self.load.borrow()
    }
}

/// The right to one request at an instance; leaving scope ends it.
pub(super) struct Ticket {
    instance: Arc<Instance>,
}

impl Ticket {
    /// `None` when the instance has as many as it takes.
    pub(super) fn take(instance: &Arc<Instance>) -> Option<Self> {
        let mut taken = false;
        instance.load.send_if_modified(|load| {
            // Looked at under the same lock as `close_when_idle` closes: no request is let in after it.
            let open = matches!(*instance.stage.borrow(), Stage::Starting | Stage::Ready(_));
            taken = open && *load < instance.limit;
            *load += usize::from(taken);
            taken
        });
        if !taken {
            return None;
        }
        instance.gauge.count_event();
        Some(Self {
            instance: instance.clone(),
        })
    }

    /// The way in, once the app listens.
    pub(super) async fn connections(&self) -> Result<Arc<Connections>, RuntimeError> {
        let mut stage = self.instance.stage.subscribe();
        loop {
            match &*stage.borrow_and_update() {
                Stage::Starting => {}
                Stage::Ready(connections) => return Ok(connections.clone()),
                Stage::Ended(reason) => return Err(RuntimeError::App(reason.to_string())),
                Stage::Refused(error) => return Err(error.clone()),
            }
            // The sender lives in the instance that this ticket holds.
            let _ = stage.changed().await;
        }
    }

    /// Why the instance ended, when it does within `limit`.
    pub(super) async fn why_ended(&self, limit: Duration) -> Option<String> {
        let mut stage = self.instance.stage.subscribe();
        let ended = stage.wait_for(|stage| matches!(stage, Stage::Ended(_)));
        match &*tokio::time::timeout(limit, ended).await.ok()?.ok()? {
            Stage::Ended(reason) => Some(reason.to_string()),
            _ => None,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.instance.load.send_modify(|load| *load -= 1);
    }
}

/// Takes a seat and starts an instance; `ended` is called when it takes no more requests.
pub(super) fn start(
    host: &Arc<Host>,
    spec: &Arc<FunctionSpec>,
    ended: impl FnOnce(&Arc<Instance>) + Send + 'static,
) -> Result<Arc<Instance>, RuntimeError> {
    let log = EnvironmentLog::open(spec, host.sink.clone(), host.clock.clone());
    let seat = host.pool.sit(spec, log.stream())?;
    let concurrency = spec
        .environment
        .get("DANBI_HTTP_CONCURRENCY")
        .and_then(|text| text.parse().ok());
    let instance = Arc::new(Instance {
        stage: watch::Sender::new(Stage::Starting),
        load: watch::Sender::new(0),
        retired: seat.retired.clone(),
        gauge: seat.gauge.clone(),
        limit: concurrency.unwrap_or(DEFAULT_CONCURRENCY).max(1),
    });
    let id = seat.id;
    let life = Life {
        host: host.clone(),
        spec: spec.clone(),
        log,
        seat,
        instance: instance.clone(),
    };
    let task = tokio::spawn(async move {
        let instance = life.instance.clone();
        // Whatever ends the task, the instance is taken out and who waits for it is told.
        let _out = Out {
            instance,
            ended: Some(Box::new(ended)),
        };
        life.run().await;
    });
    host.pool.owns(id, task.abort_handle());
    Ok(instance)
}

/// Called once, when an instance takes no more requests.
type Ended = Box<dyn FnOnce(&Arc<Instance>) + Send>;

struct Out {
    instance: Arc<Instance>,
    ended: Option<Ended>,
}

impl Drop for Out {
    fn drop(&mut self) {
        self.instance.stage.send_if_modified(|stage| {
            let open = matches!(stage, Stage::Starting | Stage::Ready(_));
            if open {
                *stage = Stage::Ended("the app was ended by the platform".into());
            }
            open
        });
        if let Some(ended) = self.ended.take() {
            ended(&self.instance);
        }
    }
}

struct Life {
    host: Arc<Host>,
    spec: Arc<FunctionSpec>,
    log: EnvironmentLog,
    seat: Seat,
    instance: Arc<Instance>,
}

impl Life {
    async fn run(mut self) {
        let prepared = match self.host.prepare(&self.spec, self.log.stream()).await {
            Ok(prepared) => prepared,
            Err(NoProgram::Runtime(error)) => return self.instance.end(Stage::Refused(error)),
            Err(NoProgram::Entrypoint(reason)) => return self.instance.end(Stage::Ended(reason.into())),
        };
        self.log.platform(&[PlatformLine::InitStart {
            runtime_version: &prepared.program.runtime_version,
        }]);
        // The tail is what a failed start is explained with.
        self.log.begin_tail(WHOLE);
        let mut process = match self.launch(&prepared).await {
            Ok(process) => process,
            Err(stage) => return self.instance.end(stage),
        };
        let port = prepared.program.place.app_port;
        if let Err(reason) = self.await_ready(&mut process, port).await {
            process.kill(&mut self.log).await;
            let reason = self.explained(&reason);
            self.log.note(format!("APP_ERROR {reason}"));
            return self.instance.end(Stage::Ended(reason.into()));
        }
        self.log.begin_tail(WHOLE);
        let connections = Arc::new(Connections::new(process.sandbox().clone(), port));
        self.instance.stage.send_replace(Stage::Ready(connections));
        match self.serve(&mut process).await {
            Some(exit) => {
                process.drain_output(&mut self.log);
                let reason = self.explained(&format!("the app ended while it was serving: {}", in_words(&exit)));
                self.log.note(format!("APP_ERROR {reason}"));
                self.instance.end(Stage::Ended(reason.into()));
            }
            None => {
                self.instance.end(Stage::Ended("the app was scaled to zero".into()));
                self.stop(process).await;
            }
        }
    }

    async fn launch(&self, prepared: &Prepared) -> Result<Process, Stage> {
        let launch = Launch {
            launcher: &self.host.launcher,
            spec: &self.spec,
            program: &prepared.program,
            variables: prepared.variables.clone(),
            platform: self.host.options.platform.clone(),
            credentials: None,
        };
        Process::start(launch).await.map_err(|error| match launch_error(error) {
            Ok(reason) => Stage::Ended(format!("the app could not be started: {reason}").into()),
            Err(error) => Stage::Refused(error),
        })
    }

    /// Waits until the app listens, and answers its ready path when it has one. What it prints goes to the log.
    async fn await_ready(&mut self, process: &mut Process, port: u16) -> Result<(), String> {
        let limit = self.host.options.app_start_timeout;
        let path = self.spec.environment.get("DANBI_HTTP_READY_PATH").cloned();
        let sandbox = process.sandbox().clone();
        let listens = tokio::time::timeout(limit, listening(sandbox, port, path));
        tokio::pin!(listens);
        loop {
            tokio::select! {
                ready = &mut listens => {
                    return ready.map_err(|_| {
                        format!("the app does not listen on $PORT ({port}) after {} s", limit.as_secs())
                    });
                }
                occurrence = process.occurrence(&mut self.log) => if let Occurrence::Exited(exit) = occurrence {
                    process.drain_output(&mut self.log);
                    return Err(format!("the app ended before it listened on $PORT ({port}): {}", in_words(&exit)));
                }
            }
        }
    }

    /// Until the app exits (`Some`), or has been idle long enough or was retired and has no request (`None`).
    async fn serve(&mut self, process: &mut Process) -> Option<Exit> {
        let mut load = self.instance.load.subscribe();
        let mut retired = self.seat.retired.clone();
        let mut idle_since = Instant::now();
        let mut leaving_since = None;
        loop {
            let busy = *load.borrow_and_update() > 0;
            let leaving = *retired.borrow_and_update();
            self.seat.gauge.set(if busy {
                EnvironmentState::Busy
            } else {
                EnvironmentState::Idle
            });
            if busy {
                idle_since = Instant::now();
            } else if leaving {
                return None;
            }
            let left = *leaving_since.get_or_insert_with(Instant::now) + RETIRED_LIMIT;
            if !leaving {
                leaving_since = None;
            }
            let idle_end = idle_since + self.host.options.app_idle_timeout;
            tokio::select! {
                occurrence = process.occurrence(&mut self.log) => if let Occurrence::Exited(exit) = occurrence {
                    return Some(exit);
                },
                _ = load.changed() => {}
                _ = retired.changed(), if !leaving => {}
                () = tokio::time::sleep_until(left.into()), if leaving => return None,
                () = tokio::time::sleep_until(idle_end.into()), if !busy => if self.instance.close_when_idle() {
                    return None;
                },
            }
        }
    }

    /// SIGTERM, some time for it, then the end.
    async fn stop(&mut self, mut process: Process) {
        const SIGTERM: i32 = 15;
        if process.sandbox().signal(SIGTERM).await.is_ok() {
            let log = &mut self.log;
            let gone = async { while !matches!(process.occurrence(log).await, Occurrence::Exited(_)) {} };
            // One that does not go is killed next.
            let _ = tokio::time::timeout(TERM_GRACE, gone).await;
        }
        process.kill(&mut self.log).await;
    }

    /// The reason with the last lines that the app printed.
    fn explained(&mut self, reason: &str) -> String {
        const LAST_LINES: usize = 20;
        let tail = self.log.take_tail(WHOLE).unwrap_or_default();
        let printed = String::from_utf8_lossy(&tail);
        let lines: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        if last.is_empty() {
            reason.to_owned()
        } else {
            format!("{reason}\nLast output:\n{last}")
        }
    }
}

impl Instance {
    fn end(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    /// Takes no more requests unless one has just come.
    fn close_when_idle(&self) -> bool {
        let mut closed = false;
        self.load.send_if_modified(|load| {
            if *load == 0 {
                self.stage
                    .send_replace(Stage::Ended("the app was scaled to zero".into()));
                closed = true;
            }
            false
        });
        closed
    }
}

async fn listening(sandbox: Arc<Sandbox>, port: u16, path: Option<String>) {
    let mut pause = FIRST_LOOK;
    loop {
        if let Ok(stream) = sandbox.connect(port).await {
            match &path {
                None => return,
                Some(path) if ready_path_answers(stream, path).await => return,
                Some(_) => {}
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(SLOWEST_LOOK);
    }
}

fn in_words(exit: &Exit) -> String {
    match (exit.oom_killed, exit.signal, exit.code) {
        (true, ..) => "it was killed because it used more memory than the function's limit".to_owned(),
        (_, Some(signal), _) => format!("signal {signal}"),
        (_, None, code) => format!("exit status {}", code.unwrap_or(0)),
    }
}
