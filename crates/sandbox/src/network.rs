//! The network of a sandbox: a namespace with loopback alone, and for [`crate::Network::Egress`] a way out.
//!
//! As root the way out is a veth pair with a /31 network of its own, translated by nftables; the filter drops what is
//! meant for this host, for link-local and for other sandboxes, by the interface's name, so that a sandbox needs no
//! rule of its own. Addresses come from 198.18.0.0/15, which is reserved for benchmarks and in nobody's way.
//! An interface pair disappears with the namespace; the table of a killed launcher is replaced by the next one.

use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::instance::{self, SLOTS};
use crate::netlink::{self, Netlink, Route};

/// All sandboxes of all launchers: 64 launchers, 1024 links each, two addresses a link.
const ALL_LINKS: (Ipv4Addr, u8) = (Ipv4Addr::new(198, 18, 0, 0), 15);
/// Cloud metadata services live here.
const LINK_LOCAL: (Ipv4Addr, u8) = (Ipv4Addr::new(169, 254, 0, 0), 16);
/// The interface inside.
const INSIDE_NAME: &str = "eth0";
/// Where tools are looked for; the launcher has no `PATH`.
const TOOL_FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
/// Marks a table whose launcher switched forwarding on where it was off.
const GUARD: &str = "forwarding was off before danbi";

/// How the tables of all launchers begin.
const TABLES: &str = "danbi_";
/// Held while tables and forwarding are changed, which concern all launchers.
const LOCK: &str = "network";

/// What is wrong, and what to do about it.
pub(crate) type Missing = (String, &'static str);

/// The way out, for all sandboxes of this launcher.
#[derive(Debug)]
pub(crate) struct Egress {
    instance: u32,
    nft: PathBuf,
}

/// One veth pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    instance: u32,
    slot: u32,
}

impl Egress {
    /// Sets up the packet filter of launcher `number`, replacing what a killed one left.
    ///
    /// # Errors
    /// What is missing on this machine, or wrong with `denied`.
    pub(crate) fn set_up(number: u32, denied: &[String]) -> Result<Egress, Missing> {
        if !rustix::process::geteuid().is_root() {
            return Err((
                "needs root: interface pairs and address translation".to_owned(),
                "run as root; until then programs have loopback only",
            ));
        }
        let nft = find_tool("nft").ok_or((
            "the program nft is not installed".to_owned(),
            "apt-get install nftables; until then programs have loopback only",
        ))?;
        let uplinks = uplinks();
        if uplinks.is_empty() {
            return Err((
                "this machine has no default route".to_owned(),
                "connect it to a network and start again",
            ));
        }
        let egress = Egress { instance: number, nft };
        let set_up = || -> io::Result<()> {
            let _changing = instance::lock_shared(LOCK)?;
            // The tables are asked last: that is a program to run.
            let closed = uplinks.iter().any(|uplink| !forwards(uplink)) || egress.guarded();
            egress.nft(&ruleset(number, &uplinks, closed, &networks(denied)?))?;
            for uplink in &uplinks {
                fs::write(forwarding_file(uplink), "1")?;
            }
            let netlink = Netlink::open()?;
            // A pair of its own shows that the kernel has them.
            let (trial, namespace) = (egress.link(SLOTS), fs::File::open("/proc/self/ns/net")?);
            netlink.remove(&trial.name())?;
            netlink.add_veth(
                &trial.name(),
                &format!("{}p", trial.name()),
                std::os::fd::AsFd::as_fd(&namespace),
            )
        };
        let outcome = set_up();
        outcome.map(|()| egress).map_err(|error| {
            (
                error.to_string(),
                "the kernel needs veth and nf_tables with NAT; until then programs have loopback only",
            )
        })
    }

    /// Removes the pair that [`Egress::set_up`] tried.
    pub(crate) fn clear_trial(&self) {
        // One that stays is removed by the next launcher of this number.
        let _ = Netlink::open().and_then(|netlink| netlink.remove(&self.link(SLOTS).name()));
    }

    pub(crate) fn link(&self, slot: u32) -> Link {
        Link {
            instance: self.instance,
            slot,
        }
    }

    /// Removes the packet filter, and switches forwarding off where it was off before and nobody else needs it.
    pub(crate) fn take_down(&self) {
        let _changing = instance::lock_shared(LOCK);
        let guarded = self.guarded();
        let _ = self.nft(&format!("delete table inet {}\n", table(self.instance)));
        if guarded && self.tables().is_empty() {
            for uplink in uplinks() {
                let _ = fs::write(forwarding_file(&uplink), "0");
            }
        }
    }

    /// Whether some launcher, alive or killed, found forwarding switched off.
    fn guarded(&self) -> bool {
        self.tables()
            .iter()
            .any(|table| self.list(&["table", "inet", table]).contains(GUARD))
    }

    /// The tables of all launchers.
    fn tables(&self) -> Vec<String> {
        let listed = self.list(&["tables", "inet"]);
        let names = listed.lines().filter_map(|line| line.strip_prefix("table inet "));
        names
            .filter(|name| name.starts_with(TABLES))
            .map(str::to_owned)
            .collect()
    }

    fn list(&self, what: &[&str]) -> String {
        let listed = Command::new(&self.nft)
            .arg("list")
            .args(what)
            .stderr(Stdio::null())
            .output();
        listed
            .map(|listed| String::from_utf8_lossy(&listed.stdout).into_owned())
            .unwrap_or_default()
    }

    fn nft(&self, script: &str) -> io::Result<()> {
        let mut child = Command::new(&self.nft)
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(script.as_bytes())?;
        }
        let outcome = child.wait_with_output()?;
        if outcome.status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "nft: {}",
            String::from_utf8_lossy(&outcome.stderr).trim()
        )))
    }
}

impl Link {
    /// The interface on the host.
    pub(crate) fn name(self) -> String {
        format!("{}{}", prefix(self.instance), self.slot)
    }

    fn host(self) -> Ipv4Addr {
        let index = self.instance * SLOTS + self.slot;
        Ipv4Addr::from_bits(ALL_LINKS.0.to_bits() + 2 * index)
    }

    fn inside(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.host().to_bits() + 1)
    }

    /// Makes the pair and the host's end of it; run by the preparer, in the host's namespace.
    pub(crate) fn connect(self, namespace: BorrowedFd<'_>) -> io::Result<()> {
        let (netlink, name) = (Netlink::open()?, self.name());
        // The kernel may still be taking down the namespace that had this slot before.
        netlink.remove(&name)?;
        netlink.add_veth(&name, INSIDE_NAME, namespace)?;
        // No IPv6 over the pair, not even the host's link-local address.
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1");
        let index = netlink::index_of(&name)?;
        netlink.add_address(index, self.host(), 31)?;
        netlink.set_up(index)?;
        fs::write(forwarding_file(&name), "1")
    }

    /// Removes the pair, if the namespace has not taken it along yet.
    pub(crate) fn disconnect(self) {
        let _ = Netlink::open().and_then(|netlink| netlink.remove(&self.name()));
    }
}

/// Brings the network inside up; run by init, in its namespace.
pub(crate) fn set_up_inside(link: Option<Link>) -> io::Result<()> {
    let netlink = Netlink::open()?;
    netlink.set_up(netlink::index_of("lo")?)?;
    if let Some(link) = link {
        let index = netlink::index_of(INSIDE_NAME)?;
        netlink.add_address(index, link.inside(), 31)?;
        netlink.set_up(index)?;
        netlink.add_route(Ipv4Addr::UNSPECIFIED, 0, Route::Via(link.host()))?;
        // The filter on the host refuses it as well; a route refuses it before the packet exists.
        netlink.add_route(LINK_LOCAL.0, LINK_LOCAL.1, Route::Unreachable)?;
    }
    Ok(())
}

/// All interfaces of a launcher begin with this, and with no other launcher's.
fn prefix(instance: u32) -> String {
    format!("danbi{instance}s")
}

fn table(instance: u32) -> String {
    format!("{TABLES}{instance}")
}

fn forwarding_file(interface: &str) -> String {
    format!("/proc/sys/net/ipv4/conf/{interface}/forwarding")
}

fn forwards(interface: &str) -> bool {
    fs::read_to_string(forwarding_file(interface)).is_ok_and(|value| value.trim() == "1")
}

/// The interfaces of the default routes.
fn uplinks() -> Vec<String> {
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let default = |line: &str| {
        let mut fields = line.split_whitespace();
        let (name, destination) = (fields.next()?, fields.next()?);
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        (destination == "00000000" && plain).then(|| name.to_owned())
    };
    let mut uplinks: Vec<String> = routes.lines().skip(1).filter_map(default).collect();
    uplinks.dedup();
    uplinks
}

fn find_tool(name: &str) -> Option<PathBuf> {
    TOOL_FOLDERS
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
}

/// Reads `a.b.c.d/n` networks.
pub(crate) fn networks(texts: &[String]) -> io::Result<Vec<(Ipv4Addr, u8)>> {
    let parse = |text: &String| {
        let (address, prefix) = text.split_once('/')?;
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
        Some((address.parse().ok()?, prefix))
    };
    let network = |text| parse(text).ok_or_else(|| io::Error::other(format!("{text:?} is not an IPv4 network")));
    texts.iter().map(network).collect()
}

/// The table of a launcher. `closed`: forwarding was off, so the uplinks forward for sandboxes and nobody else.
fn ruleset(instance: u32, uplinks: &[String], closed: bool, denied: &[(Ipv4Addr, u8)]) -> String {
    let (table, ours) = (table(instance), format!("\"{}*\"", prefix(instance)));
    // 2048 addresses a launcher.
    let (own, own_prefix) = (Link { instance, slot: 0 }.host(), 21);
    let mut forbidden = vec![
        LINK_LOCAL,
        ALL_LINKS,
        (Ipv4Addr::new(0, 0, 0, 0), 8),
        (Ipv4Addr::LOCALHOST, 8),
        (Ipv4Addr::new(224, 0, 0, 0), 3),
    ];
    forbidden.extend(denied);
    let forbidden: String = forbidden
        .iter()
        .map(|(network, prefix)| format!("    iifname {ours} ip daddr {network}/{prefix} reject\n"))
        .collect();
    let mut guards = String::new();
    for uplink in uplinks.iter().filter(|_| closed) {
        guards.push_str(&format!(
            "    iifname \"{uplink}\" oifname != \"danbi*\" drop comment \"{GUARD}\"\n"
        ));
    }
    format!(
        "table inet {table}\ndelete table inet {table}\ntable inet {table} {{
  chain prerouting {{
    type filter hook prerouting priority -310; policy accept;
    iifname {ours} meta nfproto ipv6 drop
    iifname {ours} fib saddr . iif oif missing drop
  }}
  chain input {{
    type filter hook input priority -10; policy accept;
    iifname {ours} reject
  }}
  chain forward {{
    type filter hook forward priority -10; policy accept;
{forbidden}    iifname {ours} fib daddr type local reject
    iifname {ours} oifname \"danbi*\" reject
    iifname {ours} accept
    oifname {ours} ct state established,related accept
    oifname {ours} drop
{guards}  }}
  chain postrouting {{
    type nat hook postrouting priority 100; policy accept;
    ip saddr {own}/{own_prefix} oifname != \"danbi*\" masquerade
  }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_do_not_overlap() {
        let last = Link {
            instance: 63,
            slot: SLOTS - 1,
        };
        assert_eq!(last.inside(), Ipv4Addr::new(198, 19, 255, 255));
        let (one, next) = (
            Link {
                instance: 0,
                slot: SLOTS - 1,
            },
            Link { instance: 1, slot: 0 },
        );
        assert_eq!(one.inside().to_bits() + 1, next.host().to_bits());
        assert!(last.name().len() < 16);
    }

    #[test]
    fn denied_networks_are_networks() {
        assert_eq!(
            networks(&["10.0.0.0/8".to_owned()]).unwrap(),
            [(Ipv4Addr::new(10, 0, 0, 0), 8)]
        );
        for hostile in ["10.0.0.0", "10.0.0.0/33", "; flush ruleset", "10.0.0.0/8 accept"] {
            assert!(networks(&[hostile.to_owned()]).is_err(), "{hostile}");
        }
    }

    #[test]
    fn the_guard_is_there_only_where_forwarding_was_off() {
        let uplinks = ["eth0".to_owned()];
        assert!(ruleset(0, &uplinks, true, &[]).contains(GUARD));
        assert!(!ruleset(0, &uplinks, false, &[]).contains(GUARD));
    }
}
