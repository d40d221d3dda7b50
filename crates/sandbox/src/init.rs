//! Pid 1 of a sandbox: builds its world, starts the program, reaps, and does inside what the platform asks for.
//!
//! It is a fork of the launcher and one thread. Before the program exists it has given up every capability but
//! `CAP_KILL` (and that only where it is another user than the program), cannot be dumped or traced, lies under the
//! same seccomp filter, and holds nothing but its socket to the platform and a `/proc`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions};
use rustix::thread::CapabilitySet;

use crate::mounts::{self, Root};
use crate::namespaces;
use crate::prepare::Plan;
use crate::program::Streams;
use crate::protocol::{self, Channel, InitEvent, InitRequest};
use crate::{SandboxSpec, birth, credentials, network, program};

/// How long a connection to a busy listener may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that a listener may have waiting.
const BACKLOG: i32 = 1024;
/// How often killing is repeated while new processes appear.
const KILL_ROUNDS: usize = 1000;
/// How long a round waits for the killed to die.
const KILL_PAUSE: Duration = Duration::from_millis(2);

/// A connection that has not been accepted yet.
struct Connecting {
    call: u64,
    socket: OwnedFd,
    address: SocketAddr,
    until: Instant,
}

struct Init {
    channel: Channel,
    children: OwnedFd,
    /// A `/proc` that shows all processes; the sandbox's own, or without namespaces the host's.
    proc: OwnedFd,
    main: Pid,
    namespaces: bool,
    /// Sandboxes live in the namespaces of this one, and do so beyond the end of the program.
    template: bool,
    /// Present until the sandbox is settled.
    waiting: Option<Waiting>,
    connecting: Vec<Connecting>,
}

/// What init needs to become as powerless as that of any other sandbox.
struct Waiting {
    plan: Plan,
    targets: Vec<PathBuf>,
    kept: CapabilitySet,
}

/// Runs in the new process, until the sandbox ends.
pub(crate) fn run(plan: &Plan, channel: Channel, waiting: OwnedFd, go: &OwnedFd) -> ! {
    namespaces::close_all_but(&[channel.as_fd().as_raw_fd(), waiting.as_raw_fd()]);
    let _ = go; // closed above; the preparer's end decides
    let outcome = serve(plan, &channel, waiting);
    if let Err(reason) = outcome {
        let _ = channel.send(&InitEvent::Failed { reason }, &[]);
    }
    namespaces::exit(1)
}

fn serve(plan: &Plan, channel: &Channel, waiting: OwnedFd) -> Result<(), String> {
    let say = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    let mut byte = [0];
    if !matches!(protocol::retry(|| rustix::io::read(&waiting, &mut byte)), Ok(1)) {
        return Err("the preparer gave up".to_owned());
    }
    drop(waiting);
    let mut root = build(plan).map_err(say("preparing"))?;
    let children = namespaces::signal_descriptor(&[libc::SIGCHLD]).map_err(say("signals"))?;
    channel.send(&InitEvent::Prepared, &[]).map_err(say("reporting"))?;
    let (detached, forked, descriptors) = match channel.receive::<InitRequest>().map_err(say("listening"))? {
        Some((InitRequest::Start { detached, forked }, descriptors)) => (detached, forked, descriptors),
        _ => namespaces::exit(0),
    };
    let mut descriptors = descriptors.into_iter();
    let (Some(spec), Some(stdout), Some(stderr)) = (descriptors.next(), descriptors.next(), descriptors.next()) else {
        return Err("the launcher sent too few descriptors".to_owned());
    };
    let spec: SandboxSpec = protocol::from_anonymous_file(&spec).map_err(say("reading the specification"))?;
    let mounts: Vec<OwnedFd> = descriptors.collect();
    let proc = match root.take() {
        Some(mut root) => {
            root.complete(&spec, detached.then_some(mounts))
                .map_err(say("file system"))?;
            rustix::system::sethostname(spec.hostname.as_bytes()).map_err(|error| format!("host name: {error}"))?;
            let proc = root.enter().map_err(say("entering the root"))?;
            // Once more, so that not even this descriptor is of the host's file system.
            namespaces::silence().map_err(say("/dev/null"))?;
            proc
        }
        None => open_proc().map_err(say("/proc"))?,
    };
    let sockets = open_sockets(&spec)?;
    let waiting = !spec.later.is_empty();
    if !waiting {
        program::confine(plan, spec.template)?;
    }
    let mut control = None;
    let main = if forked {
        birth::expect(channel, &proc, &stdout, &stderr)?
    } else {
        let (ours, theirs) = spec
            .template
            .then(control_sockets)
            .transpose()
            .map_err(say("control socket"))?
            .unzip();
        control = ours;
        let streams = Streams {
            stdout: &stdout,
            stderr: &stderr,
            control: theirs.as_ref(),
        };
        program::start(plan, &spec, &streams)?
    };
    drop((stdout, stderr));
    let kept = if plan.identity.as_ref().is_some_and(|ids| ids.separate_init) {
        CapabilitySet::KILL
    } else {
        CapabilitySet::empty()
    };
    if !waiting {
        give_up_rights(kept).map_err(say("capabilities"))?;
    }
    let family = if spec.template {
        birth::family(&proc).map_err(say("namespaces"))?
    } else {
        Vec::new()
    };
    let lent: Vec<_> = sockets.iter().chain(&control).chain(&family).map(AsFd::as_fd).collect();
    channel.send(&InitEvent::Started, &lent).map_err(say("reporting"))?;
    drop(lent);
    drop((sockets, control, family));
    let channel = Channel::from(channel.as_fd().try_clone_to_owned().map_err(say("channel"))?);
    let namespaces = plan.identity.is_some();
    Init {
        channel,
        children,
        proc,
        main,
        namespaces,
        template: spec.template,
        waiting: waiting.then(|| Waiting {
            plan: plan.clone(),
            targets: spec.later,
            kept,
        }),
        connecting: Vec::new(),
    }
    .run()
}

fn give_up_rights(kept: CapabilitySet) -> io::Result<()> {
    credentials::bar_capabilities()?;
    credentials::drop_capabilities(kept)
}

/// The platform's end, which does not wait, and the program's, which does.
fn control_sockets() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    Ok((ours, theirs))
}

/// Everything that does not depend on the spec.
fn build(plan: &Plan) -> io::Result<Option<Root>> {
    namespaces::silence()?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let Some(identity) = &plan.identity else {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        die_with_the_launcher()?;
        return Ok(None);
    };
    if identity.separate_init {
        credentials::become_namespace_root()?;
    }
    if plan.family.is_some() {
        // Its parent is about to end. The launcher's end is that of the template's init, and that one's its own.
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    } else {
        die_with_the_launcher()?;
    }
    // SAFETY: the cgroup namespace concerns no memory or descriptor; this process has one thread.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWCGROUP)? };
    network::set_up_inside(plan.link)?;
    Root::build().map(Some)
}

/// The launcher's death ends this process; set after the last change of user, which would unset it.
fn die_with_the_launcher() -> io::Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

fn open_proc() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(
        "/proc",
        rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?)
}

fn open_sockets(spec: &SandboxSpec) -> Result<Vec<OwnedFd>, String> {
    let tcp = spec.listeners.iter().map(|address| (address, SocketType::STREAM));
    let udp = spec.udp.iter().map(|address| (address, SocketType::DGRAM));
    let open = |(address, kind): (&SocketAddr, SocketType)| {
        let socket = new_socket(address.ip(), kind)?;
        if kind == SocketType::STREAM {
            rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
        }
        rustix::net::bind(&socket, address)?;
        if kind == SocketType::STREAM {
            rustix::net::listen(&socket, BACKLOG)?;
        }
        Ok(socket)
    };
    let named = |(address, kind)| {
        open((address, kind)).map_err(|error: rustix::io::Errno| format!("cannot listen on {address}: {error}"))
    };
    tcp.chain(udp).map(named).collect()
}

fn new_socket(address: IpAddr, kind: SocketType) -> rustix::io::Result<OwnedFd> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

impl Init {
    fn run(mut self) -> ! {
        loop {
            let ready = self.wait();
            // First, because a program may end as soon as it has served whoever waits for this answer.
            self.settle_connections();
            if ready.children {
                namespaces::drain_signals(&self.children);
                self.reap();
            }
            if ready.channel {
                match self.channel.receive::<InitRequest>() {
                    Ok(Some((request, descriptors))) => self.answer(request, descriptors),
                    // The platform has gone.
                    _ => self.end(),
                }
            }
        }
    }

    fn wait(&self) -> Ready {
        let mut polled = vec![
            PollFd::new(&self.channel, PollFlags::IN),
            PollFd::new(&self.children, PollFlags::IN),
        ];
        polled.extend(
            self.connecting
                .iter()
                .map(|one| PollFd::new(&one.socket, PollFlags::OUT)),
        );
        let soonest = self.connecting.iter().map(|one| one.until).min();
        let left = soonest.and_then(|until| Timespec::try_from(until.saturating_duration_since(Instant::now())).ok());
        let _ = rustix::event::poll(&mut polled, left.as_ref());
        Ready {
            channel: !polled[0].revents().is_empty(),
            children: !polled[1].revents().is_empty(),
        }
    }

    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if pid == self.main {
                let exited = InitEvent::Exited {
                    code: status.exit_status(),
                    signal: status.terminating_signal(),
                };
                let _ = self.channel.send(&exited, &[]);
                if !self.template {
                    self.end();
                }
            }
        }
    }

    fn answer(&mut self, request: InitRequest, descriptors: Vec<OwnedFd>) {
        let done = |call: u64, outcome: io::Result<()>| InitEvent::Done {
            call,
            error: outcome.err().map(|error| error.to_string()),
        };
        let event = match request {
            InitRequest::Connect { call, port } => return self.connect(call, port),
            InitRequest::Signal { call, signal } => {
                done(call, signal_process(self.main.as_raw_nonzero().get(), signal))
            }
            InitRequest::SignalAll { call, signal } => {
                self.for_each_other(false, |pid| signal_process(pid, signal));
                done(call, Ok(()))
            }
            InitRequest::KillStragglers { call } => {
                self.kill_others(true);
                done(call, Ok(()))
            }
            InitRequest::Settle { call, targets } => {
                let outcome = self.settle(&targets, &descriptors);
                let failed = outcome.is_err();
                let _ = self.channel.send(&done(call, outcome), &[]);
                if failed {
                    // Half settled it is good for nothing, and it may still have rights.
                    self.end();
                }
                return;
            }
            InitRequest::End => self.end(),
            InitRequest::Start { .. } => return,
        };
        let _ = self.channel.send(&event, &[]);
    }

    /// Shows what the program has waited for, and gives up the rights that took; once.
    fn settle(&mut self, targets: &[PathBuf], trees: &[OwnedFd]) -> io::Result<()> {
        let waiting = self.waiting.take();
        let waiting = waiting.ok_or_else(|| io::Error::other("this sandbox waits for nothing"))?;
        if !targets.iter().all(|target| waiting.targets.contains(target)) {
            return Err(io::Error::other("a mount that the sandbox does not wait for"));
        }
        mounts::attach_later(targets, trees)?;
        program::confine(&waiting.plan, false).map_err(io::Error::other)?;
        give_up_rights(waiting.kept)
    }

    /// Ends the sandbox: with a pid namespace the kernel kills the rest, without one this does.
    fn end(&self) -> ! {
        if !self.namespaces {
            self.kill_others(false);
        }
        namespaces::exit(0)
    }

    fn kill_others(&self, spare_main: bool) {
        for _ in 0..KILL_ROUNDS {
            if self.for_each_other(spare_main, |pid| signal_process(pid, libc::SIGKILL)) == 0 {
                return;
            }
            // Those killed just now become this process's to reap, and their children its children.
            let patience = Timespec::try_from(KILL_PAUSE).ok();
            let _ = rustix::event::poll(&mut [PollFd::new(&self.children, PollFlags::IN)], patience.as_ref());
            namespaces::drain_signals(&self.children);
            while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
                if spare_main && pid == self.main {
                    let exited = InitEvent::Exited {
                        code: status.exit_status(),
                        signal: status.terminating_signal(),
                    };
                    let _ = self.channel.send(&exited, &[]);
                    self.end();
                }
            }
        }
    }

    /// Calls `act` for every process of the sandbox but this one, and says how many there were.
    fn for_each_other(&self, spare_main: bool, act: impl Fn(i32) -> io::Result<()>) -> usize {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let spared = spare_main.then(|| self.main.as_raw_nonzero().get());
        let members = if self.namespaces {
            self.all_alive()
        } else {
            self.descendants(own)
        };
        let others = members.into_iter().filter(|pid| *pid != own && Some(*pid) != spared);
        others.map(act).filter(Result::is_ok).count()
    }

    fn all_pids(&self) -> Vec<i32> {
        // `proc` is a place only; to be read it has to be opened.
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.proc, ".", flags, rustix::fs::Mode::empty());
        let Ok(entries) = opened.and_then(rustix::fs::Dir::new) else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str().ok()?.parse().ok())
            .collect()
    }

    /// All but those that are dead and wait for their parent to notice.
    fn all_alive(&self) -> Vec<i32> {
        self.all_pids()
            .into_iter()
            .filter(|pid| self.parent(*pid).is_some())
            .collect()
    }

    /// All processes of the host that descend from `ancestor`; orphans among them are its children (subreaper).
    fn descendants(&self, ancestor: i32) -> Vec<i32> {
        let parents: Vec<(i32, i32)> = self
            .all_pids()
            .into_iter()
            .filter_map(|pid| Some((pid, self.parent(pid)?)))
            .collect();
        let mut family = vec![ancestor];
        let mut next = 0;
        while let Some(member) = family.get(next).copied() {
            family.extend(
                parents
                    .iter()
                    .filter(|(_, parent)| *parent == member)
                    .map(|(pid, _)| *pid),
            );
            next += 1;
        }
        family.split_off(1)
    }

    fn parent(&self, pid: i32) -> Option<i32> {
        let stat = rustix::fs::openat(
            &self.proc,
            format!("{pid}/stat"),
            rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        );
        let mut text = [0; 512];
        let length = rustix::io::read(stat.ok()?, &mut text).ok()?;
        let text = String::from_utf8_lossy(&text[..length]).into_owned();
        // The name in parentheses may hold anything; what follows the last one is fixed. A zombie is no process.
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        let (state, parent) = (fields.next()?, fields.next()?);
        if state == "Z" { None } else { parent.parse().ok() }
    }

    fn connect(&mut self, call: u64, port: u16) {
        let until = Instant::now() + CONNECT_TIMEOUT;
        self.connect_to(call, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), until);
    }

    fn connect_to(&mut self, call: u64, address: SocketAddr, until: Instant) {
        let started = new_socket(address.ip(), SocketType::STREAM).and_then(|socket| {
            match rustix::net::connect(&socket, &address) {
                Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket),
                Err(error) => Err(error),
            }
        });
        match started {
            Ok(socket) => self.connecting.push(Connecting {
                call,
                socket,
                address,
                until,
            }),
            Err(error) => self.refused(call, address, until, error.to_string()),
        }
    }

    /// A server that listens on IPv6 alone is found at the second attempt.
    fn refused(&mut self, call: u64, address: SocketAddr, until: Instant, reason: String) {
        if address.is_ipv4() {
            self.connect_to(call, SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()), until);
        } else {
            let _ = self.channel.send(
                &InitEvent::Connected {
                    call,
                    error: Some(reason),
                },
                &[],
            );
        }
    }

    fn settle_connections(&mut self) {
        let now = Instant::now();
        for at in (0..self.connecting.len()).rev() {
            let mut polled = [PollFd::new(&self.connecting[at].socket, PollFlags::OUT)];
            let ready = rustix::event::poll(&mut polled, Some(&Timespec::default())).is_ok_and(|ready| ready > 0);
            if !ready && now < self.connecting[at].until {
                continue;
            }
            let Connecting {
                call,
                socket,
                address,
                until,
            } = self.connecting.swap_remove(at);
            match rustix::net::sockopt::socket_error(&socket) {
                Ok(Ok(())) if ready => {
                    let _ = self
                        .channel
                        .send(&InitEvent::Connected { call, error: None }, &[socket.as_fd()]);
                }
                Ok(Err(error)) | Err(error) => self.refused(call, address, until, error.to_string()),
                Ok(Ok(())) => {
                    let error = Some("not accepted in time".to_owned());
                    let _ = self.channel.send(&InitEvent::Connected { call, error }, &[]);
                }
            }
        }
    }
}

struct Ready {
    channel: bool,
    children: bool,
}

fn signal_process(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill touches no memory; `pid` is positive, so it names one process.
    if pid > 0 && unsafe { libc::kill(pid, signal) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
