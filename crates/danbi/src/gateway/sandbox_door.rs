//! The platform's own endpoint as functions see it: connections that come out of sandboxes.

use super::{Handler, Peer, Server};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The address that requests from sandboxes seem to come from: not the host's loopback, which apps and policies may
/// trust more than they trust a function.
const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 10, 1));
/// Connections that the environments of one function may have open at once, and all functions together. Each costs the
/// platform a file descriptor.
const MAX_OF_ONE: usize = 1_024;
const MAX_OF_ALL: usize = 8_192;

/// Takes connections from sandboxes to the gateway. It exists before the gateway does, because the runtime needs it
/// first; until [`SandboxDoor::open`] it refuses.
pub struct SandboxDoor<H> {
    server: OnceLock<Server<H>>,
    connections: Mutex<JoinSet<()>>,
    open: Arc<Counts>,
}

/// How many connections each function has open.
#[derive(Default)]
struct Counts(Mutex<HashMap<String, usize>>);

/// One connection of a function; leaving scope gives its place back.
struct Place {
    counts: Arc<Counts>,
    function: String,
}

impl Counts {
    /// A place, unless this function or all together have too many.
    fn take(self: &Arc<Self>, function: &str) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = counts.get(function).copied().unwrap_or(0);
        if own >= MAX_OF_ONE || counts.values().sum::<usize>() >= MAX_OF_ALL {
            return None;
        }
        counts.insert(function.to_owned(), own + 1);
        Some(Place {
            counts: Arc::clone(self),
            function: function.to_owned(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = counts.get_mut(&self.function) {
            *own -= 1;
            if *own == 0 {
                counts.remove(&self.function);
            }
        }
    }
}

impl<H> Default for SandboxDoor<H> {
    fn default() -> Self {
        Self {
            server: OnceLock::new(),
            connections: Mutex::default(),
            open: Arc::default(),
        }
    }
}

impl<H: Handler> SandboxDoor<H> {
    /// Serves connections with `server` from now on.
    pub fn open(&self, server: Server<H>) {
        // A second call changes nothing: the first server is as good.
        let _ = self.server.set(server);
    }

    /// Drops the connections that are still open.
    pub async fn close(&self) {
        let mut connections = std::mem::take(&mut *self.connections.lock().unwrap_or_else(PoisonError::into_inner));
        connections.shutdown().await;
    }
}

impl<H: Handler> danbi_runtime::PlatformDoor for SandboxDoor<H> {
    fn accept(&self, connection: TcpStream, function_arn: &str) {
        let Some(server) = self.server.get().cloned() else {
            tracing::warn!(function_arn, "a function called before the platform was ready");
            return;
        };
        let Some(place) = self.open.take(function_arn) else {
            tracing::warn!(function_arn, "a function has too many connections to the platform open");
            return;
        };
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        while connections.try_join_next().is_some() {}
        let peer = Peer {
            ip: INSIDE,
            secure: false,
        };
        connections.spawn(async move {
            server.connection(connection, peer).await;
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_function_cannot_take_every_place() {
        let counts = Arc::new(Counts::default());
        let mut held: Vec<_> = (0..MAX_OF_ONE).map(|_| counts.take("greedy").unwrap()).collect();
        assert!(counts.take("greedy").is_none());
        assert!(counts.take("modest").is_some());
        held.pop();
        assert!(counts.take("greedy").is_some());
        drop(held);
        assert!(counts.0.lock().unwrap().is_empty());
        let many: Vec<_> = (0..MAX_OF_ALL)
            .map(|n| counts.take(&(n / 1000).to_string()).unwrap())
            .collect();
        assert!(counts.take("one more").is_none());
        drop(many);
    }
}
