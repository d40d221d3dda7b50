//! How the fork of a template comes into a sandbox.
//!
//! The template's program and its forks are untrusted code of one function; init and launcher are not. The sandbox is
//! made inside the template's user and pid namespaces, so that the kernel lets the fork in: whoever owns a user
//! namespace from outside has all capabilities in it, and a pid namespace can be entered from the one above.
//! Init lends the descriptors of its namespaces, the fork enters them, forks twice more (the first fork of these has a
//! process id there, the second one init for its parent, which so hears of its end), gives up the capabilities and the
//! right to enter namespaces, and says so on the birth socket. Only the last fork is a copy of the template; the two on
//! the way borrow its memory (`birth/lib.rs`). The kernel tells init who said it. Init looks whether it is true, and
//! only then does the platform hear that the program runs.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType};
use rustix::process::Pid;

use crate::protocol::{Channel, InitEvent, retry};

/// A library for a template's interpreter, to be loaded in the sandbox: `danbi_fork` copies the template once, where
/// ordinary forks copy it three times. Empty on machines it is not written for.
pub const BIRTH_LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/danbi_birth.so"));

/// The namespaces in the order in which they are entered; the first gives the right to enter the others.
const NAMESPACES: [&str; 6] = ["user", "mnt", "net", "ipc", "uts", "pid"];
/// How long a template may take to fork. A Django application takes 5 ms.
const BIRTH_TIMEOUT: Duration = Duration::from_secs(5);

/// Lends the namespaces, the program's output and the birth socket to the platform, which hands them to the template;
/// returns the process that is the program now. `proc` shows the processes of the sandbox.
pub(crate) fn expect(channel: &Channel, proc: &OwnedFd, stdout: &OwnedFd, stderr: &OwnedFd) -> Result<Pid, String> {
    let say = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    let (ours, theirs) = socket_pair().map_err(say("birth socket"))?;
    let namespaces: Vec<OwnedFd> = NAMESPACES
        .iter()
        .map(|name| open(proc, &format!("self/ns/{name}")))
        .collect::<io::Result<_>>()
        .map_err(say("namespaces"))?;
    let mut lent: Vec<BorrowedFd<'_>> = namespaces.iter().map(AsFd::as_fd).collect();
    lent.extend([stdout.as_fd(), stderr.as_fd(), theirs.as_fd()]);
    channel.send(&InitEvent::Expecting, &lent).map_err(say("reporting"))?;
    drop(theirs);
    let pid = hear(&ours).map_err(say("waiting for the template's fork"))?;
    confined(proc, pid)?;
    rustix::io::write(&ours, b"!").map_err(|error| format!("letting the fork go on: {error}"))?;
    Ok(pid)
}

/// The namespaces of a template inside which the sandboxes of its forks are made.
pub(crate) fn family(proc: &OwnedFd) -> io::Result<Vec<OwnedFd>> {
    ["user", "pid"]
        .iter()
        .map(|name| open(proc, &format!("self/ns/{name}")))
        .collect()
}

fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    rustix::net::sockopt::set_socket_passcred(&ours, true)?;
    Ok((ours, theirs))
}

fn open(proc: &OwnedFd, path: &str) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(
        proc,
        path,
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

/// Who wrote to the socket, by the numbers of this process's namespace.
fn hear(socket: &OwnedFd) -> io::Result<Pid> {
    let timeout = Timespec::try_from(BIRTH_TIMEOUT).ok();
    let mut polled = [PollFd::new(socket, PollFlags::IN)];
    if retry(|| rustix::event::poll(&mut polled, timeout.as_ref()))? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let mut bytes = [0; 16];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let got = retry(|| rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut beside, flags))?;
    let sender = beside.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(credentials) => Some(credentials.pid),
        _ => None,
    });
    match sender {
        Some(pid) if got.bytes > 0 => Ok(pid),
        _ => Err(io::Error::other("the template gave up")),
    }
}

/// Whether the fork has given up what it needed to come here.
fn confined(proc: &OwnedFd, pid: Pid) -> Result<(), String> {
    let path = format!("{}/status", pid.as_raw_nonzero());
    let status = open(proc, &path).and_then(|file| io::read_to_string(std::fs::File::from(file)));
    let status = status.map_err(|error| format!("the template's fork is not in its sandbox: {error}"))?;
    let value = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim).unwrap_or_default()
    };
    let none = ["CapInh", "CapPrm", "CapEff", "CapAmb"]
        .iter()
        .all(|set| value(set).trim_start_matches('0').is_empty() && !value(set).is_empty());
    // One filter is the template's; the second takes away the right to enter namespaces.
    let filters: u32 = value("Seccomp_filters").parse().unwrap_or(0);
    if none && value("NoNewPrivs") == "1" && filters >= 2 {
        Ok(())
    } else {
        Err("the template's fork kept rights that no program has".to_owned())
    }
}
