//! New processes, with and without namespaces of their own.
//!
//! Everything here is called from processes with a single thread (the launcher and what it forks), so that a child may
//! use all of Rust: no lock of another thread can be held in it.

use std::ffi::{c_int, c_void};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::process::Pid;

use crate::credentials::Identity;

/// Which side of a fork this is.
pub(crate) enum Forked {
    Child,
    Parent(Pid),
}

/// How the init of a sandbox is made.
pub(crate) struct InitOptions<'a> {
    /// Namespaces of its own, or only a process.
    pub(crate) namespaces: bool,
    /// The version 2 cgroup to be born in.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
}

/// Every namespace but the cgroup one, which init makes when it has reached its cgroup.
const NAMESPACES: c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWNET;

/// Of `linux/sched.h`; the constant in `libc` is too narrow.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Forks the calling process, which has one thread.
pub(crate) fn fork() -> io::Result<Forked> {
    // SAFETY: the process has a single thread (module contract), so the child's memory is consistent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => forked(pid),
    }
}

/// Makes an init that is a *sibling* of the calling process: a child of the launcher, although the preparer makes it.
/// The parent side also gets a pidfd.
pub(crate) fn clone_init(options: &InitOptions<'_>) -> io::Result<(Forked, Option<OwnedFd>)> {
    let mut pidfd: RawFd = -1;
    let mut flags = (libc::CLONE_PIDFD | libc::CLONE_PARENT) as u64;
    if options.namespaces {
        flags |= NAMESPACES as u64;
    }
    if options.cgroup.is_some() {
        flags |= CLONE_INTO_CGROUP;
    }
    // SAFETY: all-zero is a valid clone_args: plain integers, zero meaning "not given".
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = flags;
    arguments.pidfd = (&raw mut pidfd) as u64;
    arguments.cgroup = options.cgroup.map_or(0, |fd| fd.as_raw_fd() as u64);
    // SAFETY: no stack is given and no memory shared, so this is a fork; the process has a single thread (module
    // contract); `arguments` and `pidfd` outlive the call.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>()) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok((Forked::Child, None)),
        pid => {
            // SAFETY: CLONE_PIDFD made the kernel store a new descriptor there, which nobody else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok((forked(pid as i32)?, Some(pidfd)))
        }
    }
}

/// Whose child a process becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChildOf {
    Caller,
    CallersParent,
}

/// Runs `errand` in a child that borrows the memory and the descriptors of the calling process, which waits for its end,
/// as after `vfork`: who only goes through a door needs no copy of either. The errand may fork; that child has a copy
/// of both.
pub(crate) fn send<T>(of: ChildOf, errand: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let stack = Stack::new()?;
    let mut call = Call {
        errand: Some(errand),
        outcome: None,
    };
    let parent = if of == ChildOf::CallersParent {
        libc::CLONE_PARENT
    } else {
        0
    };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES | libc::SIGCHLD | parent;
    let dumpable = rustix::process::dumpable_behavior()?;
    // SAFETY: the child runs on a stack of its own that outlives it, as `call` does, because CLONE_VFORK holds the caller
    // until the child has ended; the process has a single thread (module contract), so nobody else uses its memory.
    let pid = unsafe { libc::clone(perform(&call), stack.top(), flags, (&raw mut call).cast()) };
    if pid == -1 {
        return Err(io::Error::last_os_error());
    }
    // A change of user in the child hid the files in `/proc` of everybody who has this memory.
    rustix::process::set_dumpable_behavior(dumpable)?;
    call.outcome
        .unwrap_or_else(|| Err(io::Error::other("the process on the way ended")))
}

struct Call<F, T> {
    errand: Option<F>,
    outcome: Option<io::Result<T>>,
}

/// What a child of [`send`] begins with; `_call` tells the types.
fn perform<F: FnOnce() -> io::Result<T>, T>(_call: &Call<F, T>) -> extern "C" fn(*mut c_void) -> c_int {
    extern "C" fn run<F: FnOnce() -> io::Result<T>, T>(call: *mut c_void) -> c_int {
        // SAFETY: `send` gives the address of its call, which nobody else uses until this process has ended.
        let call = unsafe { &mut *call.cast::<Call<F, T>>() };
        call.outcome = call.errand.take().map(|errand| errand());
        0
    }
    run::<F, T>
}

/// Memory for the stack of a process that borrows all other memory; also of the init that is forked there.
struct Stack(*mut c_void);

impl Stack {
    const BYTES: usize = 1 << 20;
    /// Below it, so that an overflow ends the process.
    const GUARD_BYTES: usize = 1 << 16;

    fn new() -> io::Result<Self> {
        let all = Self::GUARD_BYTES + Self::BYTES;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        // SAFETY: new memory at an address of the kernel's choice.
        let bottom = unsafe { libc::mmap(std::ptr::null_mut(), all, libc::PROT_NONE, flags, -1, 0) };
        if bottom == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Self(bottom);
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the part above the guard of what has just been mapped.
        match unsafe { libc::mprotect(bottom.byte_add(Self::GUARD_BYTES), Self::BYTES, rights) } {
            0 => Ok(stack),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn top(&self) -> *mut c_void {
        // SAFETY: one past the end of the mapping, where the stack begins to grow down.
        unsafe { self.0.byte_add(Self::GUARD_BYTES + Self::BYTES) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping that `new` made; nobody runs on it any more.
        unsafe { libc::munmap(self.0, Self::GUARD_BYTES + Self::BYTES) };
    }
}

/// Moves the calling process, which has one thread, into a namespace (for a pid namespace: its children).
pub(crate) fn enter(namespace: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: setns touches no memory; the process has a single thread, so none is left behind.
    match unsafe { libc::setns(namespace.as_raw_fd(), 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The process id, as the caller's `/proc` counts, of the process behind a pidfd.
pub(crate) fn pid_of(pidfd: BorrowedFd<'_>) -> io::Result<Pid> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    let pid = text
        .lines()
        .find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    pid.and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("the process has ended"))
}

/// The first child of a process that is still there: of an init, the program.
pub(crate) fn first_child(pid: Pid) -> io::Result<Pid> {
    let pid = pid.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let first = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
    first
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("the process has no children"))
}

fn forked(pid: i32) -> io::Result<Forked> {
    Pid::from_raw(pid)
        .map(Forked::Parent)
        .ok_or_else(|| io::Error::other("fork gave no process id"))
}

/// Gives the new user namespace of `pid` its ids.
pub(crate) fn write_id_maps(pid: Pid, identity: &Identity) -> io::Result<()> {
    let folder = format!("/proc/{}", pid.as_raw_nonzero());
    if !identity.separate_init {
        // Without this an ordinary user may not map a group.
        fs::write(format!("{folder}/setgroups"), "deny")?;
    }
    fs::write(format!("{folder}/uid_map"), &identity.uid_map)?;
    fs::write(format!("{folder}/gid_map"), &identity.gid_map)
}

/// Closes every descriptor from 3 on but `kept`, which is what the host might leak.
pub(crate) fn close_all_but(kept: &[RawFd]) {
    let mut kept: Vec<u32> = kept
        .iter()
        .filter_map(|fd| u32::try_from(*fd).ok())
        .filter(|fd| *fd > 2)
        .collect();
    kept.sort_unstable();
    let mut from = 3;
    for fd in kept {
        if fd > from {
            close_range(from, fd - 1);
        }
        from = fd + 1;
    }
    close_range(from, u32::MAX);
}

fn close_range(from: u32, to: u32) {
    // SAFETY: the descriptors in the range belong to objects of the forked-from process that this one never touches
    // again; the caller keeps those it uses out of the range.
    let outcome = unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) };
    if outcome != 0 {
        // Linux before 5.9.
        for fd in from..to.min(65_536) {
            // SAFETY: as above.
            unsafe { libc::close(fd as RawFd) };
        }
    }
}

/// Makes descriptors 0, 1 and 2 be `/dev/null`.
pub(crate) fn silence() -> io::Result<()> {
    let null = fs::File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

/// Ends the process without running what belongs to the process it was forked from.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: _exit touches no memory of ours and does not return.
    unsafe { libc::_exit(code) }
}

/// Blocks `signals` in this process and gives a descriptor that reports them.
pub(crate) fn signal_descriptor(signals: &[c_int]) -> io::Result<OwnedFd> {
    // SAFETY: sigset_t is plain memory that sigemptyset then initialises; the set outlives all calls; signalfd gives
    // a new descriptor that nobody else owns.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        match libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

/// Empties a signal descriptor; how often a signal came does not matter to anyone here.
pub(crate) fn drain_signals(descriptor: &OwnedFd) {
    let mut buffer = [0_u8; 1024];
    while rustix::io::read(descriptor, &mut buffer).is_ok_and(|bytes| bytes > 0) {}
}

/// Ignores the signals by which terminals and service supervisors end a whole group; the launcher ends by its socket.
pub(crate) fn ignore_group_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
        // SAFETY: SIG_IGN runs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Gives every signal its default meaning and unblocks all; for the program, which inherits both over exec.
pub(crate) fn reset_signals() {
    // SAFETY: SIG_DFL runs no code of ours; the set is plain memory initialised by sigemptyset.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
    }
}
