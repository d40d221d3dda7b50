//! One thread of the platform that hears everything: the launcher, every init, every end. It owns what runs and
//! completes what others wait for.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{Timespec, epoll};
use tokio::sync::oneshot;

use crate::launcher::LauncherProcess;
use crate::protocol::{Channel, Event, InitEvent, Request};
use crate::sandbox::{Sandbox, Supervised};
use crate::{SandboxError, protocol};

/// Who waits for a launch.
pub(crate) type Answer = oneshot::Sender<Result<Sandbox, SandboxError>>;

/// Token of the launcher's own socket; sandboxes have `2 * id` for their channel and `2 * id + 1` for their pidfd.
const LAUNCHER_TOKEN: u64 = 0;

/// When a message that the launcher had no room for is sent again.
const SEND_AGAIN: Duration = Duration::from_millis(5);

/// Owns the thread. Dropping it ends every sandbox and waits for that.
#[derive(Debug)]
pub(crate) struct Supervisor {
    handle: Arc<Supervision>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread shares with those who ask.
#[derive(Debug)]
pub(crate) struct Supervision {
    channel: Channel,
    epoll: OwnedFd,
    /// The platform ends the launcher, so its end is no surprise.
    ending: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    launcher_gone: bool,
    waiting: HashMap<u64, Answer>,
    births: HashMap<u64, Birth>,
    sandboxes: HashMap<u64, Arc<Supervised>>,
}

/// What a template is told when it shall fork.
#[derive(Debug)]
pub(crate) struct Birth {
    /// The platform's end of the template's control socket.
    pub(crate) control: Arc<OwnedFd>,
    /// Where the fork will read its letter.
    pub(crate) letters: OwnedFd,
}

impl Birth {
    /// Hands the template what it needs to fork into the sandbox that `descriptors` are of.
    fn ask(&self, descriptors: &[OwnedFd]) -> io::Result<()> {
        let mut lent: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        lent.push(self.letters.as_fd());
        protocol::send_bytes(&self.control, b"fork", &lent)
    }
}

impl Supervisor {
    pub(crate) fn start(channel: Channel, process: LauncherProcess) -> Result<Supervisor, SandboxError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(io::Error::from)?;
        let handle = Arc::new(Supervision {
            channel,
            epoll,
            ending: AtomicBool::new(false),
            state: Mutex::default(),
        });
        handle.watch(&handle.channel, LAUNCHER_TOKEN)?;
        let shared = handle.clone();
        let thread = std::thread::Builder::new()
            .name("danbi-sandboxes".to_owned())
            .spawn(move || {
                shared.run();
                process.reap();
            })?;
        Ok(Supervisor {
            handle,
            thread: Some(thread),
        })
    }

    pub(crate) fn handle(&self) -> &Supervision {
        &self.handle
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.handle.ending.store(true, Ordering::Relaxed);
        self.handle.channel.shut_down();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Supervision {
    /// Announces a launch, so that its answer finds somebody.
    pub(crate) fn expect(&self, id: u64, answer: Answer, birth: Option<Birth>) -> Result<(), SandboxError> {
        let mut state = self.state();
        if state.launcher_gone {
            return Err(SandboxError::LauncherGone);
        }
        state.waiting.insert(id, answer);
        state.births.extend(birth.map(|birth| (id, birth)));
        Ok(())
    }

    /// Nobody waits for this launch any more; what comes of it is killed.
    pub(crate) fn forget(&self, id: u64) {
        let mut state = self.state();
        state.waiting.remove(&id);
        state.births.remove(&id);
    }

    /// Sends to the launcher.
    pub(crate) fn send(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Result<(), SandboxError> {
        self.channel
            .send(request, descriptors)
            .map_err(|error| match error.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => SandboxError::LauncherGone,
                io::ErrorKind::WouldBlock => SandboxError::Busy,
                _ => SandboxError::Io(error),
            })
    }

    // A poisoned lock means that a thread panicked between two plain map operations: the maps are whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token), epoll::EventFlags::IN)?;
        Ok(())
    }

    /// Until the launcher is gone and every sandbox has ended.
    fn run(&self) {
        let mut events = Vec::with_capacity(64);
        // Releases the launcher has had no room for. They are never waited for: it may be waiting for this thread.
        let mut unsent = Vec::new();
        loop {
            unsent.retain(|id| matches!(self.send(&Request::Release { id: *id }, &[]), Err(SandboxError::Busy)));
            let timeout = (!unsent.is_empty())
                .then(|| Timespec::try_from(SEND_AGAIN).ok())
                .flatten();
            {
                let state = self.state();
                if state.launcher_gone && state.sandboxes.is_empty() {
                    return;
                }
            }
            events.clear();
            let waited = protocol::retry(|| {
                epoll::wait(
                    &self.epoll,
                    rustix::buffer::spare_capacity(&mut events),
                    timeout.as_ref(),
                )
            });
            if let Err(error) = waited {
                tracing::error!(%error, "cannot wait for sandboxes");
                return;
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    LAUNCHER_TOKEN => self.hear_launcher(),
                    token if token % 2 == 0 => self.hear_init(token / 2),
                    token => self.finish(token / 2, &mut unsent),
                }
            }
        }
    }

    fn hear_launcher(&self) {
        match self.channel.try_receive::<Event>() {
            Ok(Some((event, descriptors))) => self.handle_event(event, descriptors),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => {
                if let Err(error) = other {
                    tracing::error!(%error, "the sandbox launcher cannot be understood");
                }
                if !self.ending.load(Ordering::Relaxed) {
                    tracing::error!(
                        "the sandbox launcher ended by itself, and every sandbox with it; the next launch starts it again"
                    );
                }
                let _ = epoll::delete(&self.epoll, &self.channel);
                let mut state = self.state();
                state.launcher_gone = true;
                for (_, answer) in state.waiting.drain() {
                    let _ = answer.send(Err(SandboxError::LauncherGone));
                }
            }
        }
    }

    fn handle_event(&self, event: Event, descriptors: Vec<OwnedFd>) {
        match event {
            Event::Ready(_) => {}
            Event::Failed { id, reason } => {
                if let Some(answer) = self.state().waiting.remove(&id) {
                    let _ = answer.send(Err(SandboxError::Setup(reason)));
                }
            }
            Event::Launched { id, cgroup, network } => {
                let Ok([channel, pidfd, stdout, stderr]) = <[OwnedFd; 4]>::try_from(descriptors) else {
                    tracing::error!(id, "the sandbox launcher sent a sandbox without its descriptors");
                    return;
                };
                let supervised = Arc::new(Supervised::new(
                    id,
                    Channel::from(channel),
                    pidfd,
                    (stdout, stderr),
                    cgroup,
                    network,
                ));
                self.state().sandboxes.insert(id, supervised.clone());
                let watched = self
                    .watch(supervised.pidfd(), 2 * id + 1)
                    .and_then(|()| self.watch(supervised.channel(), 2 * id));
                if let Err(error) = watched {
                    tracing::error!(id, %error, "cannot watch a sandbox");
                    supervised.kill_now();
                }
            }
        }
    }

    fn sandbox(&self, id: u64) -> Option<Arc<Supervised>> {
        self.state().sandboxes.get(&id).cloned()
    }

    /// Reads what init has to say until it has no more.
    fn hear_init(&self, id: u64) {
        let Some(supervised) = self.sandbox(id) else { return };
        loop {
            match supervised.channel().try_receive::<InitEvent>() {
                Ok(Some((event, descriptors))) => self.handle_init(&supervised, event, descriptors),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Its end shows at the pidfd once the whole tree is gone.
                _ => {
                    let _ = epoll::delete(&self.epoll, supervised.channel());
                    return;
                }
            }
        }
    }

    fn handle_init(&self, supervised: &Arc<Supervised>, event: InitEvent, descriptors: Vec<OwnedFd>) {
        match event {
            InitEvent::Prepared => {}
            InitEvent::Expecting => {
                let birth = self.state().births.remove(&supervised.id());
                let asked = birth.map_or(Err(io::ErrorKind::NotFound.into()), |birth| birth.ask(&descriptors));
                if let Err(error) = asked {
                    // Nobody waits for it any more, or the template has ended.
                    if let Some(answer) = self.state().waiting.remove(&supervised.id()) {
                        let _ = answer.send(Err(SandboxError::Start(format!(
                            "the template cannot be asked: {error}"
                        ))));
                    }
                    supervised.kill_now();
                }
                supervised.born_of_a_template();
            }
            InitEvent::Started => {
                if supervised.is_fork() {
                    // The launcher reads; should it have no room now, the template moves with its next fork.
                    let _ = self.send(&Request::Born { id: supervised.id() }, &[]);
                }
                let answer = self.state().waiting.remove(&supervised.id());
                let sandbox = Sandbox::new(supervised.clone(), descriptors);
                // An unwanted sandbox is killed by its drop.
                if let Some(answer) = answer {
                    let _ = answer.send(Ok(sandbox));
                }
            }
            InitEvent::Failed { reason } => {
                if let Some(answer) = self.state().waiting.remove(&supervised.id()) {
                    let _ = answer.send(Err(SandboxError::Start(reason)));
                }
            }
            InitEvent::Exited { code, signal } => supervised.main_ended(code, signal),
            InitEvent::Connected { call, error } => supervised.answer(call, error, descriptors.into_iter().next()),
            InitEvent::Done { call, error } => supervised.answer(call, error, None),
        }
    }

    /// Init and with it the whole tree is gone: read the accounts, tell everyone, let the launcher clean up.
    fn finish(&self, id: u64, unsent: &mut Vec<u64>) {
        self.hear_init(id);
        let Some(supervised) = self.state().sandboxes.remove(&id) else {
            return;
        };
        let _ = epoll::delete(&self.epoll, supervised.channel());
        let _ = epoll::delete(&self.epoll, supervised.pidfd());
        if let Some(answer) = self.state().waiting.remove(&id) {
            let _ = answer.send(Err(SandboxError::Start(
                "the sandbox died before the program ran".to_owned(),
            )));
        }
        supervised.ended();
        unsent.push(id);
    }
}
