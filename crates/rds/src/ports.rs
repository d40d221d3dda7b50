//! The ports of this machine at which databases are found.
//!
//! A port is held from the moment it is chosen or, after the platform was away, from its start on, also while its
//! database is still being made: else another program gets it meanwhile, and clients talk to that.

use crate::rds::locked;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::Mutex;
use tokio::net::TcpListener;

/// Ports for databases whose engine's own port is taken on this machine. Below those that systems give to outgoing
/// connections (32,768 and up on Linux), any of which would keep a database from its port after a restart.
const PORTS: RangeInclusive<u16> = 23_306..=24_305;

/// Ports that are held and not served yet.
pub(crate) struct Ports {
    range: Option<RangeInclusive<u16>>,
    held: Mutex<HashMap<u16, TcpListener>>,
}

impl Ports {
    /// Gives out those of `range` alone, if there is one.
    pub(crate) fn new(range: Option<RangeInclusive<u16>>) -> Self {
        Self {
            range,
            held: Mutex::default(),
        }
    }

    /// Holds a port, unless somebody has it.
    pub(crate) async fn hold(&self, port: u16) -> bool {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => {
                locked(&self.held).insert(port, listener);
                true
            }
            Err(_) => false,
        }
    }

    /// Chooses and holds a port that `is_taken` does not know: the one that is asked for, else the engine's `own`, else
    /// another.
    pub(crate) async fn choose(&self, asked: Option<u16>, own: u16, is_taken: impl Fn(u16) -> bool) -> Option<u16> {
        let own = match &self.range {
            Some(range) if !range.contains(&own) => None,
            _ => Some(own),
        };
        let first = asked.or(own);
        for port in first.into_iter().chain(self.range.clone().unwrap_or(PORTS)) {
            if !is_taken(port) && self.hold(port).await {
                return Some(port);
            }
        }
        None
    }

    /// The listener of a port that is held.
    pub(crate) fn take(&self, port: u16) -> Option<TcpListener> {
        locked(&self.held).remove(&port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_is_held_is_nobody_elses() {
        let ports = Ports::new(None);
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let foreign = other.local_addr().unwrap().port();
        let chosen = ports.choose(Some(foreign), foreign, |_| false).await.unwrap();
        assert!(PORTS.contains(&chosen));
        assert_ne!(ports.choose(Some(chosen), foreign, |_| false).await.unwrap(), chosen);
        drop(ports.take(chosen).unwrap());
        assert!(ports.hold(chosen).await);
    }

    #[tokio::test]
    async fn only_ports_of_the_range_are_given_out() {
        let ports = Ports::new(Some(24_400..=24_401));
        let one = ports.choose(None, 3306, |_| false).await;
        let other = ports.choose(None, 3306, |port| Some(port) == one).await;
        let mut both = [one, other].map(|port| port.unwrap_or(0));
        both.sort_unstable();
        assert_eq!(both, [24_400, 24_401]);
        assert_eq!(ports.choose(None, 3306, |_| false).await, None);
    }
}
