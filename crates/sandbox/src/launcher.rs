//! The platform's side of the launcher process: start it, ask it for sandboxes, end it.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::protocol::{self, Channel, Event, Request};
use crate::supervisor::{Birth, Supervision, Supervisor};
use crate::{Capabilities, Isolation, Sandbox, SandboxError, SandboxSpec};

/// The launcher's `argv[0]`, by which [`crate::run_launcher_if_asked`] knows it.
pub(crate) const ARGV0: &str = "danbi-sandbox-launcher";
/// How long the launcher may take to find out what this machine allows.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long one launch may take, preparation and exec together; generous for a machine out of breath.
const LAUNCH_TIMEOUT: Duration = Duration::from_secs(30);
/// The least time between two starts of a launcher that keeps dying.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// When a launch that the launcher had no room for is tried again.
const SEND_AGAIN: Duration = Duration::from_millis(2);

/// How the launcher works. `Default` is right for a platform on a machine of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LauncherOptions {
    /// What keeps programs apart.
    pub isolation: Isolation,
    /// The cgroup v2 folder under which sandboxes get theirs; `None` finds one (root: the top; else the own, delegated).
    pub cgroup_parent: Option<PathBuf>,
    /// How many sandboxes are kept prepared for each kind of network that has been asked for.
    pub ready_sandboxes: usize,
    /// How many are kept prepared at most, when many were asked for lately; those too many are ended after ten seconds.
    pub most_ready_sandboxes: usize,
    /// Networks (IPv4, `a.b.c.d/n`) that [`crate::Network::Egress`] does not reach, besides link-local and this host.
    pub egress_denied: Vec<String>,
}

impl Default for LauncherOptions {
    fn default() -> LauncherOptions {
        LauncherOptions {
            isolation: Isolation::Namespaces,
            cgroup_parent: None,
            ready_sandboxes: 2,
            most_ready_sandboxes: 8,
            egress_denied: Vec::new(),
        }
    }
}

/// The handle of a running launcher process. Dropping it kills every sandbox and waits until nothing is left.
///
/// When the process itself dies, every sandbox ends with it; the next launch starts another process and goes on there.
#[derive(Debug)]
pub struct Launcher {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: LauncherOptions,
    running: Mutex<Running>,
    /// Held by who starts a process anew, so that one does.
    restarting: Mutex<()>,
    capabilities: Capabilities,
    next_id: AtomicU64,
}

/// The process of the moment and when it began.
#[derive(Debug, Clone)]
struct Running {
    supervisor: Arc<Supervisor>,
    since: Instant,
}

impl Launcher {
    /// Starts the launcher: the running binary once more. Blocks for as long as probing takes (tens of milliseconds).
    ///
    /// # Errors
    /// [`SandboxError::Invalid`] for `egress_denied`; [`SandboxError::Refused`] when `options` ask for namespaces and this machine does not allow them;
    /// [`SandboxError::Setup`] when the process cannot be started, which most often means that `main` does not begin
    /// with [`crate::run_launcher_if_asked`].
    pub fn start(options: LauncherOptions) -> Result<Launcher, SandboxError> {
        let isolation = options.isolation;
        let (channel, process, capabilities) = begin(options.clone(), false)?;
        if isolation == Isolation::Namespaces && !capabilities.namespaces {
            drop(channel);
            process.reap();
            return Err(SandboxError::Refused(Box::new(capabilities)));
        }
        let supervisor = Arc::new(Supervisor::start(channel, process)?);
        let since = Instant::now();
        let shared = Arc::new(Shared {
            options,
            running: Mutex::new(Running { supervisor, since }),
            restarting: Mutex::default(),
            capabilities,
            next_id: AtomicU64::new(1),
        });
        Ok(Launcher { shared })
    }

    /// What this machine allows, without starting anything that stays.
    ///
    /// # Errors
    /// As [`Launcher::start`], but a missing mechanism is no error here.
    pub fn probe(options: LauncherOptions) -> Result<Capabilities, SandboxError> {
        let (channel, process, capabilities) = begin(options, true)?;
        drop(channel);
        process.reap();
        Ok(capabilities)
    }

    /// What this machine allows.
    pub fn capabilities(&self) -> &Capabilities {
        &self.shared.capabilities
    }

    /// Whether a sandbox can be started before it is known what it will show ([`Sandbox::settle`]): by root, with
    /// namespaces. Others cannot open the host's folders once their sandbox has left it.
    pub fn can_settle(&self) -> bool {
        self.shared.capabilities.isolation == Isolation::Namespaces && rustix::process::geteuid().is_root()
    }

    /// Starts a program in a new sandbox and returns once it has been executed. Needs a tokio runtime with time.
    /// A launch that is dropped half-way leaves nothing behind.
    ///
    /// # Errors
    /// [`SandboxError::Invalid`] for the spec, [`SandboxError::Start`] for the program, [`SandboxError::Setup`] for
    /// the host, [`SandboxError::LauncherGone`] when the process died and could not be replaced,
    /// [`SandboxError::TimedOut`] after 30 s.
    pub async fn launch(&self, spec: SandboxSpec) -> Result<Sandbox, SandboxError> {
        let shared = &self.shared;
        spec.check(shared.capabilities.isolation)?;
        let running = shared.running();
        match shared.launch_by(&running.supervisor, &spec, None).await {
            // Nothing of that launch is left: a sandbox does not outlive its launcher.
            Err(SandboxError::LauncherGone) => {
                let replacing = Arc::clone(shared);
                let replaced = tokio::task::spawn_blocking(move || replacing.replace(running)).await;
                let supervisor = replaced.map_err(|_| SandboxError::LauncherGone)??;
                shared.launch_by(&supervisor, &spec, None).await
            }
            launched => launched,
        }
    }

    /// Forks the program of `template` into a new sandbox with the limits, mounts, sockets and output of `spec`, and
    /// returns once it is there and waits for its letter ([`Sandbox::begin`]). Of `spec`, `argv`, `env` and `cwd` are not
    /// looked at: the template is sent ten descriptors (namespaces user, mnt, net, ipc, uts, pid in the order to enter
    /// them, standard output, standard error, the birth socket, the letter box), forks, enters, forks twice more, gives up
    /// its capabilities and the right to enter namespaces, writes one byte to the birth socket, waits for one, and reads
    /// its letter.
    /// One fork at a time is asked of a template. The sandbox keeps the template's namespaces, though not its program, alive.
    ///
    /// # Errors
    /// As [`Launcher::launch`]; [`SandboxError::Ended`] when the template's program has ended, and
    /// [`SandboxError::Start`] when no fork came within 5 s or it kept rights.
    pub async fn launch_from(&self, template: &Arc<Sandbox>, spec: SandboxSpec) -> Result<Sandbox, SandboxError> {
        let shared = &self.shared;
        spec.check(shared.capabilities.isolation)?;
        if spec.template {
            return Err(SandboxError::Invalid("a fork is no template".to_owned()));
        }
        let _one_at_a_time = template.turn().await?;
        let running = shared.running();
        let (ours, letters) = protocol::letter_box()?;
        let birth = Birth {
            control: template.control()?,
            letters,
        };
        let mut sandbox = shared
            .launch_by(&running.supervisor, &spec, Some((template, birth)))
            .await?;
        sandbox.keep(template.clone(), ours);
        Ok(sandbox)
    }
}

impl Shared {
    // A poisoned lock means that a thread panicked while it copied or stored the whole value.
    fn running(&self) -> Running {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts a process in the place of `dead`, unless somebody else has. Blocks until nothing of the dead one runs.
    fn replace(&self, dead: Running) -> Result<Arc<Supervisor>, SandboxError> {
        let _alone = self.restarting.lock().unwrap_or_else(PoisonError::into_inner);
        let running = self.running();
        if !Arc::ptr_eq(&running.supervisor, &dead.supervisor) {
            return Ok(running.supervisor);
        }
        // Whatever kills it may kill the next one too: then at least not in a frenzy.
        std::thread::sleep(RESTART_PAUSE.saturating_sub(dead.since.elapsed()));
        let (channel, process, capabilities) = begin(self.options.clone(), false)?;
        if capabilities.isolation != self.capabilities.isolation
            || capabilities.namespaces != self.capabilities.namespaces
        {
            drop(channel);
            process.reap();
            return Err(SandboxError::Refused(Box::new(capabilities)));
        }
        let supervisor = Arc::new(Supervisor::start(channel, process)?);
        let since = Instant::now();
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Running {
            supervisor: Arc::clone(&supervisor),
            since,
        };
        tracing::warn!("the sandbox launcher was started again");
        Ok(supervisor)
    }

    async fn launch_by(
        &self,
        supervisor: &Supervisor,
        spec: &SandboxSpec,
        parent: Option<(&Sandbox, Birth)>,
    ) -> Result<Sandbox, SandboxError> {
        let file = protocol::to_anonymous_file(spec)?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let supervision = supervisor.handle();
        let (parent, birth) = parent.unzip();
        let template = parent.map(Sandbox::id);
        let family = parent.into_iter().flat_map(Sandbox::family);
        let lent: Vec<_> = std::iter::once(&file).chain(family).map(AsFd::as_fd).collect();
        supervision.expect(id, answer, birth)?;
        let _forgotten_at_the_end = Forget { supervision, id };
        let launching = async {
            while let Err(error) = supervision.send(&Request::Launch { id, template }, &lent) {
                match error {
                    SandboxError::Busy => tokio::time::sleep(SEND_AGAIN).await,
                    other => return Err(other),
                }
            }
            answered.await.unwrap_or(Err(SandboxError::LauncherGone))
        };
        let outcome = tokio::time::timeout(LAUNCH_TIMEOUT, launching).await;
        outcome.unwrap_or(Err(SandboxError::TimedOut("starting a sandbox")))
    }
}

/// Forgets a launch whose caller has gone, or has its answer.
struct Forget<'a> {
    supervision: &'a Supervision,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.supervision.forget(self.id);
    }
}

/// The launcher's process, a child of this one.
#[derive(Debug)]
pub(crate) struct LauncherProcess(std::process::Child);

impl LauncherProcess {
    /// How long the launcher may take to clean up after its socket has closed.
    const END_TIMEOUT: Duration = Duration::from_secs(10);

    /// Waits for its end, which its closed socket brings; kills it when that takes too long.
    pub(crate) fn reap(mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty());
        let ended = pidfd.is_ok_and(|pidfd| readable_within(&pidfd, LauncherProcess::END_TIMEOUT));
        if !ended {
            tracing::warn!("the sandbox launcher did not end by itself; killing it");
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}

fn begin(options: LauncherOptions, probe_only: bool) -> Result<(Channel, LauncherProcess, Capabilities), SandboxError> {
    crate::network::networks(&options.egress_denied).map_err(|error| SandboxError::Invalid(error.to_string()))?;
    let failed = |what: &str, error: std::io::Error| SandboxError::Setup(format!("{what}: {error}"));
    let (ours, theirs) = Channel::pair().map_err(|error| failed("socket", error))?;
    let child = Command::new("/proc/self/exe")
        .arg0(ARGV0)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| failed("cannot execute the running binary again", error))?;
    let process = LauncherProcess(child);
    let report = (|| {
        ours.send(&Request::Begin { options, probe_only }, &[])?;
        if !readable_within(&ours, START_TIMEOUT) {
            return Err(std::io::Error::from(std::io::ErrorKind::TimedOut));
        }
        ours.receive::<Event>()
    })();
    match report {
        Ok(Some((Event::Ready(capabilities), _))) => Ok((ours, process, capabilities)),
        Ok(Some((Event::Failed { reason, .. }, _))) => {
            drop(ours);
            process.reap();
            Err(SandboxError::Setup(reason))
        }
        other => {
            drop(ours);
            process.reap();
            let hint = "does main begin with run_launcher_if_asked()?";
            Err(SandboxError::Setup(format!(
                "the launcher process did not answer ({hint}): {other:?}"
            )))
        }
    }
}

fn readable_within(fd: &impl AsFd, limit: Duration) -> bool {
    let timeout = Timespec::try_from(limit).ok();
    let mut polled = [PollFd::new(fd, PollFlags::IN)];
    matches!(
        protocol::retry(|| rustix::event::poll(&mut polled, timeout.as_ref())),
        Ok(1..)
    )
}

/// Whether this process was started as a launcher.
pub(crate) fn asked() -> bool {
    std::env::args_os().next().is_some_and(|name| name == ARGV0)
}
