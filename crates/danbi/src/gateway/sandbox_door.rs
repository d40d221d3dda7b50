//! The platform's own endpoint as functions see it: connections that come out of sandboxes.

use super::{Handler, Peer, Server};
use danbi_rds::Rds;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The address that requests from sandboxes seem to come from: not the host's loopback, which apps and policies may
/// trust more than they trust a function.
const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 10, 1));
const PEER: Peer = Peer {
    ip: INSIDE,
    secure: false,
};
/// Connections that the environments of one function may have open at once, and all functions together. Each costs the
/// platform a file descriptor.
const MAX_OF_ONE: usize = 1_024;
const MAX_OF_ALL: usize = 8_192;

/// Takes connections from sandboxes to the gateway. It exists before the gateway does, because the runtime needs it
/// first; until [`SandboxDoor::open`] it refuses.
pub struct SandboxDoor<H> {
    server: OnceLock<Server<H>>,
    databases: OnceLock<Arc<Rds>>,
    certificates: OnceLock<String>,
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
            databases: OnceLock::new(),
            certificates: OnceLock::new(),
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

    /// Lets functions reach databases from now on.
    pub fn open_databases(&self, databases: Arc<Rds>) {
        // A second call changes nothing either.
        let _ = self.databases.set(databases);
    }

    /// Has functions find the platform by AWS's names over TLS too, and trust it by these certificates: its server has to
    /// serve TLS. Counts only before the runtime starts.
    pub fn open_tls(&self, certificates: String) {
        // A second call changes nothing either.
        let _ = self.certificates.set(certificates);
    }

    /// Drops the connections that are still open.
    pub async fn close(&self) {
        let mut connections = std::mem::take(&mut *self.connections.lock().unwrap_or_else(PoisonError::into_inner));
        connections.shutdown().await;
    }
}

impl<H> SandboxDoor<H> {
    fn server(&self, function_arn: &str) -> Option<Server<H>> {
        let server = self.server.get().cloned();
        if server.is_none() {
            tracing::warn!(function_arn, "a function called before the platform was ready");
        }
        server
    }

    /// Serves a connection of a function, if it has not too many.
    fn spawn(&self, function_arn: &str, serving: impl Future<Output = ()> + Send + 'static) {
        let Some(place) = self.open.take(function_arn) else {
            tracing::warn!(function_arn, "a function has too many connections to the platform open");
            return;
        };
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        while connections.try_join_next().is_some() {}
        connections.spawn(async move {
            serving.await;
            drop(place);
        });
    }
}

impl<H: Handler> danbi_runtime::PlatformDoor for SandboxDoor<H> {
    fn accept(&self, connection: TcpStream, function_arn: &str) {
        if let Some(server) = self.server(function_arn) {
            self.spawn(function_arn, async move { server.connection(connection, PEER).await });
        }
    }

    fn certificates(&self) -> Option<&str> {
        self.certificates.get().map(String::as_str)
    }

    fn accept_tls(&self, connection: TcpStream, function_arn: &str) {
        if let Some(server) = self.server(function_arn) {
            self.spawn(function_arn, async move { server.secured(connection, PEER).await });
        }
    }

    fn database_ports(&self) -> Vec<u16> {
        self.databases
            .get()
            .map(|databases| databases.ports())
            .unwrap_or_default()
    }

    fn database_address(&self, name: &str) -> Option<Ipv4Addr> {
        self.databases.get()?.address_inside(name)
    }

    fn accept_database(&self, connection: TcpStream, function_arn: &str) {
        if let Some(databases) = self.databases.get().cloned() {
            self.spawn(
                function_arn,
                async move { databases.connection_inside(connection).await },
            );
        }
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
