//! A running sandbox as the platform holds it.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot, watch};

use crate::cgroup::{self, Cgroup};
use crate::namespaces;
use crate::protocol::{self, Channel, InitRequest};
use crate::{Mount, Network, Pages, SandboxError};

/// How long init may take to answer; longer only when the sandbox is frozen or starved.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the kernel may take to freeze or thaw a tree.
const FREEZE_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two looks at whether a tree is frozen.
const FREEZE_LOOK: Duration = Duration::from_millis(1);

/// How a sandbox ended. All its processes are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Exit code of the main process, when it ended by itself.
    pub code: Option<i32>,
    /// Signal that ended the main process (9 also when the whole sandbox was killed).
    pub signal: Option<i32>,
    /// The kernel killed a process of this sandbox for its memory limit, and the end was not asked for.
    pub oom_killed: bool,
    /// Most memory ever in use, page cache included; `None` without a memory cgroup.
    pub memory_peak_bytes: Option<u64>,
    /// CPU time of all processes; `None` without a cgroup.
    pub cpu_time: Option<Duration>,
}

/// A running program in its sandbox. Dropping it kills everything in it.
#[derive(Debug)]
pub struct Sandbox {
    supervised: Arc<Supervised>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    listeners: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
    /// Of a template: where it hears that it shall fork, and who asks at the moment.
    control: Option<Arc<OwnedFd>>,
    family: Vec<OwnedFd>,
    turn: Semaphore,
    /// Of a fork: the template in whose namespaces it lives, and where it waits for its letter.
    parent: Option<Arc<Sandbox>>,
    letters: Option<OwnedFd>,
    /// Where the kernel says how much memory was used at most; asked after each event, so it is opened once.
    peak: OnceLock<Option<File>>,
}

impl Sandbox {
    /// `sockets` are the listeners and UDP sockets as init sent them, told apart by their type.
    pub(crate) fn new(supervised: Arc<Supervised>, sockets: Vec<OwnedFd>) -> Sandbox {
        let (stdout, stderr) = supervised.take_output();
        let mut sandbox = Sandbox {
            supervised,
            stdout,
            stderr,
            listeners: Vec::new(),
            udp: Vec::new(),
            control: None,
            family: Vec::new(),
            turn: Semaphore::new(1),
            parent: None,
            letters: None,
            peak: OnceLock::new(),
        };
        for socket in sockets {
            match rustix::net::sockopt::socket_type(&socket) {
                Ok(rustix::net::SocketType::DGRAM) => sandbox.udp.push(UdpSocket::from(socket)),
                Ok(rustix::net::SocketType::SEQPACKET) => sandbox.control = Some(Arc::new(socket)),
                Ok(_) => sandbox.listeners.push(TcpListener::from(socket)),
                Err(_) => sandbox.family.push(socket),
            }
        }
        sandbox
    }

    /// Waits until nobody else forks this template.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, SandboxError> {
        match tokio::time::timeout(CALL_TIMEOUT, self.turn.acquire()).await {
            Ok(turn) => turn.map_err(|_| SandboxError::Ended),
            Err(_) => Err(SandboxError::TimedOut("the turn to fork a template")),
        }
    }

    /// The control socket of a template whose program runs.
    pub(crate) fn control(&self) -> Result<Arc<OwnedFd>, SandboxError> {
        if self.supervised.program_ended() {
            return Err(SandboxError::Ended);
        }
        let control = self.control.clone();
        control.ok_or_else(|| SandboxError::Invalid("this sandbox is no template".to_owned()))
    }

    /// The namespaces of a template inside which the sandboxes of its forks are made.
    pub(crate) fn family(&self) -> &[OwnedFd] {
        &self.family
    }

    pub(crate) fn keep(&mut self, parent: Arc<Sandbox>, letters: OwnedFd) {
        self.parent = Some(parent);
        self.letters = Some(letters);
    }

    /// Of a fork that has just been made: gives it the letter it waits for, up to 96 KiB and not empty, once.
    ///
    /// # Errors
    /// [`SandboxError::Ended`] when the fork is gone; [`SandboxError::Invalid`] for another letter, or a second one.
    pub fn begin(&mut self, letter: &[u8]) -> Result<(), SandboxError> {
        if letter.is_empty() || letter.len() > crate::SandboxSpec::MAX_ARGUMENTS_BYTES {
            return Err(SandboxError::Invalid("a letter has 1 byte to 96 KiB".to_owned()));
        }
        let letters = self.letters.take();
        let letters = letters.ok_or_else(|| SandboxError::Invalid("nobody waits for a letter".to_owned()))?;
        send_letter(&letters, letter)
    }

    /// Of a fork that waits for its letter: lets it make these pages its own until then. Those that are not there are
    /// passed over, so it may be what another fork of the template has written to.
    ///
    /// # Errors
    /// [`SandboxError::Ended`] when the fork is gone; [`SandboxError::Invalid`] when it has its letter.
    pub fn copy_ahead(&self, pages: &Pages) -> Result<(), SandboxError> {
        let letters = self.letters.as_ref();
        let letters = letters.ok_or_else(|| SandboxError::Invalid("nobody waits for a letter".to_owned()))?;
        send_letter(letters, &pages.message())
    }

    /// Of a fork: the memory that it has made its own so far. Reads files, a millisecond for a hundred megabytes.
    ///
    /// # Errors
    /// [`SandboxError::Io`] when it is gone, where the kernel lets nobody look, and when it has more than 16 MiB of its own.
    pub fn own_pages(&self) -> Result<Pages, SandboxError> {
        let init = namespaces::pid_of(self.supervised.pidfd())?;
        Ok(Pages::own(namespaces::first_child(init)?)?)
    }

    /// Of a fork: the template.
    pub fn parent(&self) -> Option<&Arc<Sandbox>> {
        self.parent.as_ref()
    }

    /// The control socket of a template, to read what it says; messages are datagrams.
    pub fn control_socket(&self) -> Option<Arc<OwnedFd>> {
        self.control.clone()
    }

    /// Whether the main process has ended; of a template the rest of its sandbox stays as long as its forks.
    pub fn program_ended(&self) -> bool {
        self.supervised.program_ended()
    }

    /// A number that no other sandbox of this launcher has.
    pub fn id(&self) -> u64 {
        self.supervised.id
    }

    /// The network it really has: [`Network::None`] where egress was asked for and this machine cannot give it.
    pub fn network(&self) -> Network {
        self.supervised.network
    }

    /// The reading end of its standard output, non-blocking; once. Unread output stops the program at 64 KiB.
    pub fn take_stdout(&mut self) -> Option<OwnedFd> {
        self.stdout.take()
    }

    /// The reading end of its standard error, non-blocking; once.
    pub fn take_stderr(&mut self) -> Option<OwnedFd> {
        self.stderr.take()
    }

    /// The listeners of the spec, in its order, non-blocking; once.
    pub fn take_listeners(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.listeners)
    }

    /// The UDP sockets of the spec, in its order, non-blocking; once.
    pub fn take_udp(&mut self) -> Vec<UdpSocket> {
        std::mem::take(&mut self.udp)
    }

    /// Waits until the whole tree is gone. Any number may wait, at any time.
    pub async fn wait(&self) -> Exit {
        self.supervised.wait().await
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        *self.supervised.exit.borrow()
    }

    /// Connects to a port on the sandbox's loopback, IPv4 first and then IPv6. The stream is non-blocking.
    ///
    /// # Errors
    /// [`SandboxError::Connect`] when nothing listens there, [`SandboxError::Ended`], [`SandboxError::TimedOut`]
    /// after 10 s (a frozen sandbox does not answer).
    pub async fn connect(&self, port: u16) -> Result<TcpStream, SandboxError> {
        match self.supervised.call(|call| InitRequest::Connect { call, port }).await? {
            Reply {
                error: None,
                descriptor: Some(socket),
            } => Ok(TcpStream::from(socket)),
            Reply { error, .. } => Err(SandboxError::Connect {
                port,
                reason: error.unwrap_or_else(|| "no socket".to_owned()),
            }),
        }
    }

    /// Sends a signal to the main process.
    ///
    /// # Errors
    /// [`SandboxError::Ended`], [`SandboxError::TimedOut`].
    pub async fn signal(&self, signal: i32) -> Result<(), SandboxError> {
        self.supervised
            .call(|call| InitRequest::Signal { call, signal })
            .await?
            .done()
    }

    /// Shows `mounts` in a sandbox whose specification has their targets in [`crate::SandboxSpec::later`], and makes it
    /// like any other: from here on nothing in it can mount, and foreign code may run. Once; the targets that are not
    /// named stay empty. Reads the host's file system: the sources are opened here.
    ///
    /// # Errors
    /// [`SandboxError::Io`] when a source cannot be opened (an ordinary user may open none) or shown, and the sandbox
    /// ends then; [`SandboxError::Ended`], [`SandboxError::TimedOut`].
    pub async fn settle(&self, mounts: Vec<Mount>) -> Result<(), SandboxError> {
        let opening = tokio::task::spawn_blocking(move || {
            let open = |mount: Mount| Ok((crate::mounts::open_source(&mount)?, mount.target));
            mounts.into_iter().map(open).collect::<io::Result<Vec<_>>>()
        });
        let opened = opening.await.map_err(|_| SandboxError::Ended)?;
        let (trees, targets): (Vec<OwnedFd>, Vec<PathBuf>) = match opened {
            Ok(opened) => opened.into_iter().unzip(),
            Err(error) => {
                self.supervised.kill_now();
                return Err(error.into());
            }
        };
        self.supervised
            .call_with(|call| InitRequest::Settle { call, targets }, &trees)
            .await?
            .done()
    }

    /// Kills every process but the main one.
    ///
    /// # Errors
    /// [`SandboxError::Ended`], [`SandboxError::TimedOut`].
    pub async fn kill_stragglers(&self) -> Result<(), SandboxError> {
        self.supervised
            .call(|call| InitRequest::KillStragglers { call })
            .await?
            .done()
    }

    /// Stops every process until [`Sandbox::thaw`], without their noticing; returns when nothing runs any more.
    /// Where there is no cgroup freezer the processes are stopped by signal, which they can notice.
    ///
    /// # Errors
    /// [`SandboxError::Ended`], [`SandboxError::TimedOut`] after 5 s, [`SandboxError::Io`].
    pub async fn freeze(&self) -> Result<(), SandboxError> {
        self.set_frozen(true).await
    }

    /// Lets a frozen sandbox run again.
    ///
    /// # Errors
    /// As [`Sandbox::freeze`].
    pub async fn thaw(&self) -> Result<(), SandboxError> {
        self.set_frozen(false).await
    }

    async fn set_frozen(&self, frozen: bool) -> Result<(), SandboxError> {
        let supervised = &self.supervised;
        if supervised.exit.borrow().is_some() {
            return Err(SandboxError::Ended);
        }
        if !supervised.cgroup.can_freeze() {
            let signal = if frozen { libc::SIGSTOP } else { libc::SIGCONT };
            return supervised
                .call(|call| InitRequest::SignalAll { call, signal })
                .await?
                .done();
        }
        supervised.cgroup.set_frozen(frozen)?;
        let settled = async {
            while supervised.cgroup.is_frozen()? != frozen {
                tokio::time::sleep(FREEZE_LOOK).await;
            }
            Ok(())
        };
        match tokio::time::timeout(FREEZE_TIMEOUT, settled).await {
            Ok(settled) => settled,
            Err(_) => Err(SandboxError::TimedOut("freezing or thawing a sandbox")),
        }
    }

    /// Kills everything in it, frozen or not, and returns when nothing is left.
    pub async fn kill(&self) -> Exit {
        self.supervised.kill_now();
        self.supervised.wait().await
    }

    /// Most memory ever in use by the tree, page cache included; `None` without a memory cgroup.
    pub fn memory_peak_bytes(&self) -> Option<u64> {
        match self.exit() {
            Some(exit) => exit.memory_peak_bytes,
            None => {
                let cgroup = &self.supervised.cgroup;
                let peak = self.peak.get_or_init(|| cgroup.open_memory_peak());
                cgroup::read_again(peak.as_ref()?)
            }
        }
    }

    /// Memory in use by the processes themselves and `/tmp`, without page cache; `None` without a memory cgroup.
    pub fn memory_bytes(&self) -> Option<u64> {
        self.supervised.cgroup.memory_bytes()
    }

    /// CPU time of all processes so far; `None` without a cgroup.
    pub fn cpu_time(&self) -> Option<Duration> {
        match self.exit() {
            Some(exit) => exit.cpu_time,
            None => self.supervised.cgroup.cpu_time(),
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.exit().is_none() {
            self.supervised.kill_now();
        }
    }
}

/// What init answered to a call.
#[derive(Debug)]
struct Reply {
    error: Option<String>,
    descriptor: Option<OwnedFd>,
}

impl Reply {
    fn done(self) -> Result<(), SandboxError> {
        self.error
            .map_or(Ok(()), |error| Err(SandboxError::Io(io::Error::other(error))))
    }
}

/// The part of a sandbox that the supervising thread shares with its owner.
#[derive(Debug)]
pub(crate) struct Supervised {
    id: u64,
    channel: Channel,
    pidfd: OwnedFd,
    cgroup: Cgroup,
    network: Network,
    output: Mutex<(Option<OwnedFd>, Option<OwnedFd>)>,
    calls: Mutex<Calls>,
    next_call: AtomicU64,
    main: Mutex<Option<(Option<i32>, Option<i32>)>>,
    kill_asked: AtomicBool,
    fork: AtomicBool,
    exit: watch::Sender<Option<Exit>>,
}

#[derive(Debug, Default)]
struct Calls {
    ended: bool,
    waiting: HashMap<u64, oneshot::Sender<Reply>>,
}

impl Supervised {
    pub(crate) fn new(
        id: u64,
        channel: Channel,
        pidfd: OwnedFd,
        (stdout, stderr): (OwnedFd, OwnedFd),
        cgroup: Cgroup,
        network: Network,
    ) -> Supervised {
        Supervised {
            id,
            channel,
            pidfd,
            cgroup,
            network,
            output: Mutex::new((Some(stdout), Some(stderr))),
            calls: Mutex::default(),
            next_call: AtomicU64::new(1),
            main: Mutex::new(None),
            kill_asked: AtomicBool::new(false),
            fork: AtomicBool::new(false),
            exit: watch::Sender::new(None),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn born_of_a_template(&self) {
        self.fork.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_fork(&self) -> bool {
        self.fork.load(Ordering::Relaxed)
    }

    fn program_ended(&self) -> bool {
        self.exit.borrow().is_some() || locked(&self.main).is_some()
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    fn take_output(&self) -> (Option<OwnedFd>, Option<OwnedFd>) {
        let mut output = locked(&self.output);
        (output.0.take(), output.1.take())
    }

    pub(crate) fn main_ended(&self, code: Option<i32>, signal: Option<i32>) {
        *locked(&self.main) = Some((code, signal));
    }

    /// Completes a call of [`Supervised::call`].
    pub(crate) fn answer(&self, call: u64, error: Option<String>, descriptor: Option<OwnedFd>) {
        if let Some(waiting) = locked(&self.calls).waiting.remove(&call) {
            let _ = waiting.send(Reply { error, descriptor });
        }
    }

    async fn call(&self, request: impl FnOnce(u64) -> InitRequest) -> Result<Reply, SandboxError> {
        self.call_with(request, &[]).await
    }

    async fn call_with(
        &self,
        request: impl FnOnce(u64) -> InitRequest,
        descriptors: &[OwnedFd],
    ) -> Result<Reply, SandboxError> {
        let lent: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        let call = self.next_call.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        {
            let mut calls = locked(&self.calls);
            if calls.ended {
                return Err(SandboxError::Ended);
            }
            calls.waiting.insert(call, answer);
        }
        let _forgotten_at_the_end = Forget { supervised: self, call };
        self.channel.send(&request(call), &lent).map_err(unsent)?;
        match tokio::time::timeout(CALL_TIMEOUT, answered).await {
            Err(_) => Err(SandboxError::TimedOut("a call into the sandbox")),
            Ok(Err(_)) => Err(SandboxError::Ended),
            Ok(Ok(reply)) => Ok(reply),
        }
    }

    /// Kills init, and with it all others; returns at once.
    pub(crate) fn kill_now(&self) {
        self.kill_asked.store(true, Ordering::Relaxed);
        if self.cgroup.has_pid_namespace() {
            let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
            self.cgroup.kill();
        } else {
            // Nothing ties the tree to its init but init itself.
            if self.cgroup.can_freeze() {
                let _ = self.cgroup.set_frozen(false);
            }
            // Init kills them and then ends; killed itself, it could not.
            if self.channel.send(&InitRequest::End, &[]).is_err() {
                self.cgroup.kill();
                let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
            }
        }
    }

    async fn wait(&self) -> Exit {
        let mut watching = self.exit.subscribe();
        loop {
            if let Some(exit) = *watching.borrow_and_update() {
                return exit;
            }
            // The sender lives in `self`, so this cannot fail.
            let _ = watching.changed().await;
        }
    }

    /// The whole tree is gone: settle the accounts.
    pub(crate) fn ended(&self) {
        let accounts = self.cgroup.accounts();
        let (code, signal) = locked(&self.main).take().unwrap_or((None, Some(libc::SIGKILL)));
        let asked = self.kill_asked.load(Ordering::Relaxed);
        let exit = Exit {
            code,
            signal,
            oom_killed: accounts.oom_kills > 0 && !asked && code != Some(0),
            memory_peak_bytes: accounts.memory_peak_bytes,
            cpu_time: accounts.cpu_time,
        };
        {
            let mut calls = locked(&self.calls);
            calls.ended = true;
            calls.waiting.clear();
        }
        self.exit.send_replace(Some(exit));
    }
}

/// Forgets a call whose caller has gone.
struct Forget<'a> {
    supervised: &'a Supervised,
    call: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        locked(&self.supervised.calls).waiting.remove(&self.call);
    }
}

// A poisoned lock means that a thread panicked between two plain operations: the value is whole.
fn send_letter(letters: &OwnedFd, bytes: &[u8]) -> Result<(), SandboxError> {
    protocol::send_bytes(letters, bytes, &[]).map_err(unsent)
}

/// Why nothing could be sent to a sandbox.
fn unsent(error: io::Error) -> SandboxError {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => SandboxError::Ended,
        _ => SandboxError::Io(error),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
