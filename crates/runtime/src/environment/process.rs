use super::output::Output;
use crate::dns;
use crate::lifecycle::Lifecycle;
use crate::log::EnvironmentLog;
use crate::options::{MAX_DATABASE_PORTS, PlatformDoor, serves_tls};
use crate::program::{CODE, LAYERS, Place, Program, for_fork};
use crate::runtime_api::{self, Call, ContainerCredentials, Variables, Verdict};
use crate::{FunctionSpec, RuntimeError};
use danbi_core::SessionCredentials;
use danbi_sandbox::{Exit, Launcher, Mount, Network, Pages, Sandbox, SandboxError, SandboxSpec};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Processes and threads that one environment may have: AWS's limit.
const MAX_PIDS: u32 = 1024;
/// Open files of one process: AWS's limit.
const MAX_FILES: u64 = 1024;
/// After a refused accept: the platform is out of descriptors, which passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Where programs inside find AWS's names by HTTP and HTTPS, and what the names stand for.
const HTTP_PORT: u16 = 80;
const TLS_PORT: u16 = 443;
const DNS_PORT: u16 = 53;

/// A running sandbox with its standard streams and, for a function, its Runtime API. Dropping it ends all of it.
pub(crate) struct Process {
    sandbox: Arc<Sandbox>,
    pub(super) calls: mpsc::Receiver<Call>,
    pub(super) lifecycle: Lifecycle,
    out: Output,
    err: Output,
    buffer: Vec<u8>,
    owner: Owner,
    /// Servers of the listeners inside; aborted with the process.
    _servers: JoinSet<()>,
}

/// The ARN of the version that a process runs; empty as long as it is nobody's.
type Owner = Arc<OnceLock<String>>;

/// What a process does.
pub(crate) enum Occurrence {
    /// It called the Runtime API.
    Called(Call),
    /// It printed something, which is in the log now.
    Printed,
    /// It is gone.
    Exited(Exit),
}

/// What a sandbox is made from besides the program.
pub(crate) struct Launch<'a> {
    pub(crate) launcher: &'a Launcher,
    pub(crate) spec: &'a FunctionSpec,
    pub(crate) program: &'a Program,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) platform: Option<Arc<dyn PlatformDoor>>,
    /// What the process may fetch by [`ContainerCredentials`].
    pub(crate) credentials: Option<Arc<ContainerCredentials>>,
}

impl Process {
    /// Makes the sandbox and starts the program in it.
    pub(crate) async fn start(launch: Launch<'_>) -> Result<Self, SandboxError> {
        let sandbox = launch.launcher.launch(sandbox_spec(&launch)).await?;
        let owner = owned_by(launch.spec);
        Self::of(sandbox, launch, owner)
    }

    /// The same for a program that waits for its assignment: what it starts with is `launch` without anything of the
    /// function's, whose code and layers it is shown by [`Self::settle`].
    pub(crate) async fn start_worker(launch: Launch<'_>) -> Result<Self, SandboxError> {
        let spec = SandboxSpec {
            later: vec![CODE.into(), LAYERS.into()],
            ..sandbox_spec(&launch)
        };
        let sandbox = launch.launcher.launch(spec).await?;
        Self::of(sandbox, launch, Owner::default())
    }

    /// Waits until a worker asks for its assignment; `None` when it ended instead.
    pub(crate) async fn asks_for_assignment(&mut self) -> Option<Verdict<Variables>> {
        loop {
            tokio::select! {
                biased;
                call = self.calls.recv() => match call {
                    Some(Call::Assignment { verdict }) => return Some(verdict),
                    // Whoever asks for something else gets an error when the question is dropped.
                    Some(_) => {}
                    None => return None,
                },
                _ = self.sandbox.wait() => return None,
            }
        }
    }

    /// Makes a worker the process of the version `function_arn`, with its code and layers.
    pub(crate) async fn settle(&mut self, mounts: Vec<Mount>, function_arn: String) -> Result<(), SandboxError> {
        self.sandbox.settle(mounts).await?;
        // Set once: whoever has a worker to give has it for itself.
        let _ = self.owner.set(function_arn);
        Ok(())
    }

    /// The same for a program that other environments will be forks of.
    pub(crate) async fn start_template(launch: Launch<'_>) -> Result<Self, SandboxError> {
        let spec = SandboxSpec {
            template: true,
            ..sandbox_spec(&launch)
        };
        let sandbox = launch.launcher.launch(spec).await?;
        let owner = owned_by(launch.spec);
        Self::of(sandbox, launch, owner)
    }

    fn of(mut sandbox: Sandbox, launch: Launch<'_>, owner: Owner) -> Result<Self, SandboxError> {
        let Launch {
            spec,
            program,
            platform,
            credentials,
            ..
        } = launch;
        let app = spec.http_command().is_some();
        let (sender, calls) = mpsc::channel(4);
        let mut servers = JoinSet::new();
        for listener in sandbox.take_listeners() {
            let port = listener.local_addr()?.port();
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            if port == program.place.api_port && !app {
                servers.spawn(runtime_api::serve(
                    listener,
                    sender.clone(),
                    credentials.clone(),
                    spec.places(),
                ));
            } else if let Some(door) = platform.as_ref().filter(|_| listener_is_for_databases(&listener)) {
                servers.spawn(forward_database(listener, door.clone(), owner.clone()));
            } else if let Some(door) = &platform {
                let tls = port == TLS_PORT;
                servers.spawn(forward_platform(listener, door.clone(), owner.clone(), tls));
            }
        }
        for socket in sandbox.take_udp() {
            socket.set_nonblocking(true)?;
            servers.spawn(dns::serve(tokio::net::UdpSocket::from_std(socket)?, platform.clone()));
        }
        let out = Output::new(sandbox.take_stdout())?;
        let err = Output::new(sandbox.take_stderr())?;
        let lifecycle = Lifecycle::new(spec.places());
        Ok(Self {
            sandbox: Arc::new(sandbox),
            calls,
            lifecycle,
            out,
            err,
            buffer: Vec::new(),
            owner,
            _servers: servers,
        })
    }

    /// The sandbox, to connect to and to signal.
    pub(crate) fn sandbox(&self) -> &Arc<Sandbox> {
        &self.sandbox
    }

    /// Waits for whatever the process does next. Cancel-safe.
    pub(crate) async fn occurrence(&mut self, log: &mut EnvironmentLog) -> Occurrence {
        tokio::select! {
            biased;
            Some(call) = self.calls.recv() => Occurrence::Called(call),
            exit = self.sandbox.wait() => Occurrence::Exited(exit),
            () = self.out.readable() => {
                self.out.read(log, &mut self.buffer);
                Occurrence::Printed
            }
            () = self.err.readable() => {
                self.err.read(log, &mut self.buffer);
                Occurrence::Printed
            }
        }
    }

    /// Logs what has been printed until now.
    pub(crate) fn drain_output(&mut self, log: &mut EnvironmentLog) {
        self.read_output(log);
        self.out.end_line(log);
        self.err.end_line(log);
    }

    /// The same, but for a line that is not at its end: it may be another event's.
    pub(crate) fn read_output(&mut self, log: &mut EnvironmentLog) {
        self.out.drain(log, &mut self.buffer);
        self.err.drain(log, &mut self.buffer);
    }

    /// The sandbox's memory peak, MiB, rounded up.
    pub(crate) fn max_memory_mib(&self) -> u64 {
        self.sandbox.memory_peak_bytes().unwrap_or(0).div_ceil(1024 * 1024)
    }

    /// Ends the whole tree and logs what it printed last.
    pub(crate) async fn kill(&mut self, log: &mut EnvironmentLog) {
        self.sandbox.kill().await;
        self.drain_output(log);
    }
}

/// A fork of a template that is no environment yet: it waits to be told which one.
pub(crate) struct Spare {
    process: Process,
    credentials: Arc<ContainerCredentials>,
    memory_bytes: u64,
}

impl Spare {
    /// Makes a sandbox and forks the program of `template` into it.
    pub(crate) async fn fork(
        template: &Arc<Sandbox>,
        launcher: &Launcher,
        spec: &FunctionSpec,
        program: &Program,
        platform: Option<Arc<dyn PlatformDoor>>,
    ) -> Result<Self, SandboxError> {
        let credentials = Arc::new(ContainerCredentials::later());
        let launch = Launch {
            launcher,
            spec,
            program,
            variables: Vec::new(),
            platform,
            credentials: Some(credentials.clone()),
        };
        let sandbox = launcher.launch_from(template, sandbox_spec(&launch)).await?;
        // It stops where it was forked, so this hardly changes; asking costs a file each time.
        let memory_bytes = sandbox.memory_bytes().unwrap_or(0);
        Ok(Self {
            process: Process::of(sandbox, launch, owned_by(spec))?,
            credentials,
            memory_bytes,
        })
    }

    /// Whether it still waits.
    pub(crate) fn waits(&self) -> bool {
        !self.process.sandbox.program_ended()
    }

    /// Lets it copy these pages while it waits.
    pub(crate) fn copy_ahead(&mut self, pages: &Pages) {
        match self.process.sandbox.copy_ahead(pages) {
            Ok(()) => self.memory_bytes += pages.bytes(),
            Err(error) => tracing::debug!(%error, "a fork that is kept ready copies nothing"),
        }
    }

    /// The memory that is its own, besides what it shares with the template.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Makes it the environment with these variables and credentials.
    pub(crate) fn begin(
        mut self,
        variables: Vec<(String, String)>,
        place: &Place,
        credentials: &SessionCredentials,
    ) -> Result<Process, SandboxError> {
        self.credentials.give(credentials);
        let variables = for_fork(variables, place, self.credentials.token());
        let fields = variables.iter().flat_map(|(name, value)| [name.as_str(), value]);
        let letter = fields.collect::<Vec<_>>().join("\0").into_bytes();
        // Nobody else has it before it begins.
        let sandbox = Arc::get_mut(&mut self.process.sandbox).ok_or(SandboxError::Ended)?;
        sandbox.begin(&letter)?;
        Ok(self.process)
    }
}

/// Databases have addresses of their own on loopback, so their listeners are on all of it.
fn listener_is_for_databases(listener: &TcpListener) -> bool {
    listener.local_addr().is_ok_and(|address| address.ip().is_unspecified())
}

async fn forward_database(listener: TcpListener, door: Arc<dyn PlatformDoor>, owner: Owner) {
    loop {
        match (listener.accept().await, owner.get()) {
            (Ok((connection, _)), Some(function_arn)) => door.accept_database(connection, function_arn),
            // A worker that is nobody's yet has no business with databases.
            (Ok(_), None) => {}
            (Err(_), _) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

fn owned_by(spec: &FunctionSpec) -> Owner {
    Arc::new(OnceLock::from(spec.function_arn.to_string()))
}

async fn forward_platform(listener: TcpListener, door: Arc<dyn PlatformDoor>, owner: Owner, tls: bool) {
    loop {
        match (listener.accept().await, owner.get()) {
            (Ok((connection, _)), Some(function_arn)) if tls => door.accept_tls(connection, function_arn),
            (Ok((connection, _)), Some(function_arn)) => door.accept(connection, function_arn),
            // A process that is nobody's has no business with the platform.
            (Ok((connection, _)), None) => drop(connection),
            (Err(_), _) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

fn sandbox_spec(launch: &Launch<'_>) -> SandboxSpec {
    let Launch {
        spec,
        program,
        variables,
        platform,
        ..
    } = launch;
    let Place {
        isolated,
        api_port,
        platform_port,
        ..
    } = program.place;
    let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let mut listeners = Vec::new();
    if spec.http_command().is_none() {
        listeners.push(loopback(api_port));
    }
    if platform.is_some() {
        listeners.push(loopback(platform_port));
    }
    if isolated && serves_tls(platform.as_deref()) {
        listeners.extend([HTTP_PORT, TLS_PORT].map(loopback));
    }
    if isolated && let Some(door) = platform {
        let ports = door.database_ports().into_iter().take(MAX_DATABASE_PORTS);
        let taken = [api_port, platform_port, HTTP_PORT, TLS_PORT, DNS_PORT];
        let free = ports.filter(|port| !taken.contains(port));
        listeners.extend(free.map(|port| SocketAddr::from(([0, 0, 0, 0], port))));
    }
    // Without a network of its own the program uses the host's name servers itself.
    let udp = if isolated { vec![loopback(DNS_PORT)] } else { Vec::new() };
    let mib = |mib: u32| u64::from(mib) * 1024 * 1024;
    SandboxSpec {
        env: variables.clone(),
        cwd: if isolated {
            PathBuf::from(CODE)
        } else {
            program.place.task_root.clone()
        },
        hostname: "169-254-10-1".to_owned(),
        mounts: program.mounts.clone(),
        tmp_bytes: mib(spec.ephemeral_storage_mib),
        memory_bytes: Some(mib(spec.memory_mib)),
        pids_max: MAX_PIDS,
        nofile: MAX_FILES,
        listeners,
        udp,
        network: Network::Egress,
        ..SandboxSpec::new(program.argv.clone())
    }
}

/// What a failed launch means: the program's fault, with the reason, or the machine's.
pub(crate) fn launch_error(error: SandboxError) -> Result<String, RuntimeError> {
    match error {
        SandboxError::Start(reason) => Ok(reason),
        other => Err(RuntimeError::Sandbox(other.to_string())),
    }
}
