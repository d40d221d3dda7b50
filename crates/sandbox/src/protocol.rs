//! How platform, launcher and init talk: one JSON value in one datagram of a Unix seqpacket socket, with descriptors
//! beside it. Large values (a [`crate::SandboxSpec`]) travel as an anonymous file, so that no message outgrows the
//! socket's buffer.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cgroup::Cgroup;
use crate::{Capabilities, LauncherOptions, Network};

/// Largest datagram; only error texts and the capabilities report come near it.
const MAX_MESSAGE: usize = 64 * 1024;
/// Most descriptors beside one message: those of a spec (mounts) or of a start (sockets), with room.
const MAX_DESCRIPTORS: usize = 128;

/// Platform to launcher.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// The first message: find out what is possible and get ready, or report only.
    Begin { options: LauncherOptions, probe_only: bool },
    /// Start a sandbox; the spec is descriptor 0. Its program is executed, or is a fork of that of `template`, whose
    /// user and pid namespaces are then descriptors 1 and 2.
    Launch { id: u64, template: Option<u64> },
    /// The fork of a template is in its sandbox: the template may leave the cgroups of that sandbox.
    Born { id: u64 },
    /// The platform has read the accounts of this sandbox; its cgroups may go.
    Release { id: u64 },
}

/// Launcher to platform.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    /// Answer to [`Request::Begin`].
    Ready(Capabilities),
    /// A sandbox was given its spec. Descriptors: channel to init, pidfd of init, stdout, stderr.
    Launched { id: u64, cgroup: Cgroup, network: Network },
    /// A sandbox could not be made.
    Failed { id: u64, reason: String },
}

/// Platform (and, for [`InitRequest::Start`], launcher) to init.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum InitRequest {
    /// Descriptors: spec, stdout, stderr, then one detached mount for each of `mounts` when `detached`.
    /// With `forked` no program is started: init waits for a template's fork instead.
    Start { detached: bool, forked: bool },
    /// Connect to a port on loopback; answered by [`InitEvent::Connected`].
    Connect { call: u64, port: u16 },
    /// Signal the main process.
    Signal { call: u64, signal: i32 },
    /// Signal every process but init; where there is no freezer.
    SignalAll { call: u64, signal: i32 },
    /// Kill every process but the main one and init.
    KillStragglers { call: u64 },
    /// Show these folders, whose detached mounts are the descriptors in the same order, at their targets, which have
    /// waited for them; then give up the right to mount. Answered by [`InitEvent::Done`].
    Settle { call: u64, targets: Vec<PathBuf> },
    /// Kill everything and end; where no pid namespace does it.
    End,
}

/// Init to platform.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum InitEvent {
    /// Init has built its world and waits for a spec.
    Prepared,
    /// Init waits for a template's fork. Descriptors: what [`crate::birth`] lists, in its order.
    Expecting,
    /// The program runs. Descriptors: listeners, then UDP sockets, then a template's control socket, user and pid
    /// namespaces.
    Started,
    /// The program could not be started, or the sandbox not made.
    Failed { reason: String },
    /// The main process ended.
    Exited { code: Option<i32>, signal: Option<i32> },
    /// Answer to [`InitRequest::Connect`]; the socket is descriptor 0 when there is no error.
    Connected { call: u64, error: Option<String> },
    /// Answer to the other calls.
    Done { call: u64, error: Option<String> },
}

/// One end of a seqpacket pair.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

/// A message and what came beside it; `None` at the end of the stream.
pub(crate) type Received<T> = Option<(T, Vec<OwnedFd>)>;

impl Channel {
    /// Two connected ends, closed on exec.
    pub(crate) fn pair() -> io::Result<(Channel, Channel)> {
        let (one, other) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Channel(one), Channel(other)))
    }

    /// Sends one message.
    ///
    /// # Errors
    /// `WouldBlock` when the other end does not read, `BrokenPipe` when it is gone.
    pub(crate) fn send<T: Serialize>(&self, message: &T, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send_with(message, descriptors, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
    }

    /// Sends one message, waiting until the other end has room for it.
    ///
    /// # Errors
    /// `BrokenPipe` when the other end is gone.
    pub(crate) fn send_patiently<T: Serialize>(&self, message: &T, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send_with(message, descriptors, SendFlags::NOSIGNAL)
    }

    fn send_with<T: Serialize>(&self, message: &T, descriptors: &[BorrowedFd<'_>], flags: SendFlags) -> io::Result<()> {
        send_with(&self.0, &serde_json::to_vec(message)?, descriptors, flags)
    }

    /// Waits for the next message.
    pub(crate) fn receive<T: DeserializeOwned>(&self) -> io::Result<Received<T>> {
        self.receive_with(RecvFlags::empty())
    }

    /// The next message, or `WouldBlock`.
    pub(crate) fn try_receive<T: DeserializeOwned>(&self) -> io::Result<Received<T>> {
        self.receive_with(RecvFlags::DONTWAIT)
    }

    fn receive_with<T: DeserializeOwned>(&self, flags: RecvFlags) -> io::Result<Received<T>> {
        let mut bytes = vec![0; MAX_MESSAGE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        let got = retry(|| rustix::net::recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut beside, flags));
        let got = match got {
            // The other end went while it had unread messages of ours: the end all the same.
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            other => other?,
        };
        let mut descriptors = Vec::new();
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        if got.bytes == 0 {
            return Ok(None);
        }
        if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(io::Error::other("message cut short"));
        }
        Ok(Some((serde_json::from_slice(&bytes[..got.bytes])?, descriptors)))
    }

    /// Ends the conversation: the other side sees the end of the stream.
    pub(crate) fn shut_down(&self) {
        let _ = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both);
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Channel {
    fn from(fd: OwnedFd) -> Channel {
        Channel(fd)
    }
}

impl From<Channel> for OwnedFd {
    fn from(channel: Channel) -> OwnedFd {
        channel.0
    }
}

/// Where one letter is sent and read.
pub(crate) fn letter_box() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Sends bytes and descriptors to a peer that speaks no JSON of ours.
///
/// # Errors
/// As [`Channel::send`].
pub(crate) fn send_bytes(socket: &OwnedFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    send_with(socket, bytes, descriptors, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
}

fn send_with(socket: &OwnedFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>], flags: SendFlags) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors in one message"));
    }
    retry(|| rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut beside, flags))?;
    Ok(())
}

/// `value` in an anonymous file.
pub(crate) fn to_anonymous_file<T: Serialize>(value: &T) -> io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create("spec", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(fd);
    file.write_all(&serde_json::to_vec(value)?)?;
    Ok(file.into())
}

/// The value that [`to_anonymous_file`] wrote.
pub(crate) fn from_anonymous_file<T: DeserializeOwned>(fd: &OwnedFd) -> io::Result<T> {
    let mut file = File::from(fd.try_clone()?);
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Runs a system call again when a signal interrupted it.
pub(crate) fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_carry_descriptors_and_end() {
        let (one, other) = Channel::pair().unwrap();
        let (carried, _kept) = Channel::pair().unwrap();
        one.send(&InitEvent::Started, &[carried.as_fd()]).unwrap();
        let (message, descriptors) = other.receive::<InitEvent>().unwrap().unwrap();
        assert!(matches!(message, InitEvent::Started));
        assert_eq!(descriptors.len(), 1);
        drop(one);
        assert!(other.receive::<InitEvent>().unwrap().is_none());
    }

    #[test]
    fn an_empty_socket_does_not_block() {
        let (_one, other) = Channel::pair().unwrap();
        assert_eq!(
            other.try_receive::<Request>().unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
    }

    #[test]
    fn a_large_value_travels_as_a_file() {
        let value = vec!["x".repeat(1000); 1000];
        let fd = to_anonymous_file(&value).unwrap();
        assert_eq!(from_anonymous_file::<Vec<String>>(&fd).unwrap(), value);
        assert_eq!(
            from_anonymous_file::<Vec<String>>(&fd).unwrap(),
            value,
            "can be read again"
        );
    }
}
