//! The few words of rtnetlink that a sandbox's network needs: links up, a veth pair, addresses, routes.

use std::ffi::CString;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

const HEADER: usize = 16;
const ACKNOWLEDGE: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
const CREATE: u16 = ACKNOWLEDGE | (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;

/// Of `linux/veth.h`: the peer's description inside a veth's.
const VETH_INFO_PEER: u16 = 1;

/// A conversation with the kernel about the network namespace of the calling process.
#[derive(Debug)]
pub(crate) struct Netlink(OwnedFd);

/// What a route does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Route {
    /// Through this neighbour.
    Via(Ipv4Addr),
    /// Refused at once.
    Unreachable,
}

impl Netlink {
    pub(crate) fn open() -> io::Result<Netlink> {
        Ok(Netlink(rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        )?))
    }

    /// Makes a pair of connected interfaces: `name` here, `peer` in the network namespace `peer_namespace`.
    pub(crate) fn add_veth(&self, name: &str, peer: &str, peer_namespace: BorrowedFd<'_>) -> io::Result<()> {
        let mut message = Message::link(libc::RTM_NEWLINK, CREATE, 0, 0);
        message.text(libc::IFLA_IFNAME, name);
        message.nested(libc::IFLA_LINKINFO, |info| {
            info.text(libc::IFLA_INFO_KIND, "veth");
            info.nested(libc::IFLA_INFO_DATA, |data| {
                data.nested(VETH_INFO_PEER, |inside| {
                    inside.bytes.extend([0; 16]); // struct ifinfomsg
                    inside.text(libc::IFLA_IFNAME, peer);
                    inside.attribute(libc::IFLA_NET_NS_FD, &peer_namespace.as_raw_fd().to_ne_bytes());
                });
            });
        });
        self.ask(message)
    }

    /// Removes an interface; one that is not there is no error.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match index_of(name) {
            Ok(index) => self.ask(Message::link(libc::RTM_DELLINK, ACKNOWLEDGE, index, 0)),
            Err(_) => Ok(()),
        }
    }

    pub(crate) fn set_up(&self, index: u32) -> io::Result<()> {
        self.ask(Message::link(
            libc::RTM_NEWLINK,
            ACKNOWLEDGE,
            index,
            libc::IFF_UP as u32,
        ))
    }

    pub(crate) fn add_address(&self, index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWADDR, CREATE);
        message.bytes.extend([libc::AF_INET as u8, prefix, 0, 0]);
        message.bytes.extend(index.to_ne_bytes());
        message.attribute(libc::IFA_LOCAL, &address.octets());
        message.attribute(libc::IFA_ADDRESS, &address.octets());
        self.ask(message)
    }

    /// Adds a route to `network/prefix` (`0.0.0.0/0` is the default route).
    pub(crate) fn add_route(&self, network: Ipv4Addr, prefix: u8, route: Route) -> io::Result<()> {
        let mut message = Message::new(libc::RTM_NEWROUTE, CREATE);
        let kind = match route {
            Route::Via(_) => libc::RTN_UNICAST,
            Route::Unreachable => libc::RTN_UNREACHABLE,
        };
        message.bytes.extend([libc::AF_INET as u8, prefix, 0, 0]);
        message
            .bytes
            .extend([libc::RT_TABLE_MAIN, libc::RTPROT_STATIC, libc::RT_SCOPE_UNIVERSE, kind]);
        message.bytes.extend(0_u32.to_ne_bytes());
        if prefix > 0 {
            message.attribute(libc::RTA_DST, &network.octets());
        }
        if let Route::Via(gateway) = route {
            message.attribute(libc::RTA_GATEWAY, &gateway.octets());
        }
        self.ask(message)
    }

    fn ask(&self, message: Message) -> io::Result<()> {
        rustix::net::send(&self.0, &message.finish(), SendFlags::empty())?;
        let mut answer = [0_u8; 4096];
        let (read, _) = rustix::net::recv(&self.0, &mut answer, RecvFlags::empty())?;
        let code = answer[..read]
            .get(HEADER..HEADER + 4)
            .and_then(|code| <[u8; 4]>::try_from(code).ok());
        match code.map(i32::from_ne_bytes) {
            Some(0) => Ok(()),
            Some(errno) => Err(io::Error::from_raw_os_error(-errno)),
            None => Err(io::Error::other("the kernel's answer is cut short")),
        }
    }
}

/// The index of an interface of the calling process's namespace.
pub(crate) fn index_of(name: &str) -> io::Result<u32> {
    let name = CString::new(name).map_err(io::Error::other)?;
    // SAFETY: `name` is a C string that outlives the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// A message in the making: header, fixed part, attributes.
struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn new(kind: u16, flags: u16) -> Message {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        Message { bytes }
    }

    fn link(kind: u16, flags: u16, index: u32, up: u32) -> Message {
        let mut message = Message::new(kind, flags);
        message.bytes.extend([0; 4]); // family, padding, device type
        message.bytes.extend(index.to_ne_bytes());
        message.bytes.extend(up.to_ne_bytes()); // flags
        message.bytes.extend(up.to_ne_bytes()); // which flags change
        message
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = (value.len() + 4) as u16;
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.pad();
    }

    fn text(&mut self, kind: u16, value: &str) {
        self.attribute(kind, &[value.as_bytes(), &[0]].concat());
    }

    fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Message)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend((kind | libc::NLA_F_NESTED as u16).to_ne_bytes());
        fill(self);
        let length = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = self.bytes.len() as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes
    }
}
