//! The platform's own endpoint as functions see it: connections that come out of sandboxes.

use super::{Handler, Peer, Server};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, OnceLock, PoisonError};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Takes connections from sandboxes to the gateway. It exists before the gateway does, because the runtime needs it
/// first; until [`SandboxDoor::open`] it refuses.
pub struct SandboxDoor<H> {
    server: OnceLock<Server<H>>,
    connections: Mutex<JoinSet<()>>,
}

impl<H> Default for SandboxDoor<H> {
    fn default() -> Self {
        Self {
            server: OnceLock::new(),
            connections: Mutex::default(),
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
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        while connections.try_join_next().is_some() {}
        let peer = Peer {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            secure: false,
        };
        connections.spawn(async move { server.connection(connection, peer).await });
    }
}
