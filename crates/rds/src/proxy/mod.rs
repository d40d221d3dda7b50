//! What stands between clients and a database's server: an endpoint that is there also while the server sleeps.
//!
//! A client's password is checked here, against what the server keeps of it, and its statements run on whatever
//! connection of its user is free: a server connection is a client's for one transaction, or for good once the session
//! has something that cannot be said again elsewhere ([`crate::mysql::statement`]). So a thousand clients share twenty
//! connections, and the server can sleep while all of them stay connected.

mod greet;
mod pool;
mod relay;
mod session;

pub(crate) use pool::Pool;

use crate::server::Database;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Clients of one database at once.
const MAX_CLIENTS: usize = 5_000;
/// After a refused accept: the platform is out of descriptors, which passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// When a silent client is asked whether it is still there, and how often before it is given up.
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_PROBES: u32 = 4;
/// Threads of servers have smaller numbers, so that nobody kills one of those by a number of the proxy's.
const FIRST_THREAD: u32 = 1 << 30;

/// Encrypts connections. Implemented by the composition root, which has the platform's authority.
#[async_trait::async_trait]
pub trait Tls: Send + Sync + 'static {
    /// How to answer a client that asked for `name`.
    ///
    /// # Errors
    /// In words; the connection is closed.
    async fn server_config(&self, name: Option<&str>) -> Result<Arc<rustls::ServerConfig>, String>;
}

/// The front of one database.
pub(crate) struct Front {
    pub(crate) database: Arc<Database>,
    pub(crate) pool: Pool,
    /// What the server says its version is.
    pub(crate) version: String,
    pub(crate) tls: Option<Arc<dyn Tls>>,
    clients: Arc<Semaphore>,
    threads: AtomicU32,
}

impl Front {
    pub(crate) fn new(database: Arc<Database>, version: String, tls: Option<Arc<dyn Tls>>) -> Self {
        Self {
            pool: Pool::new(),
            database,
            version,
            tls,
            clients: Arc::new(Semaphore::new(MAX_CLIENTS)),
            threads: AtomicU32::new(FIRST_THREAD),
        }
    }

    fn next_thread(&self) -> u32 {
        self.threads.fetch_add(1, Ordering::Relaxed)
    }

    /// Serves the clients of `listener` until dropped; they are dropped with it.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let front = Arc::clone(&self);
                        sessions.spawn(async move { front.client(stream, peer.ip()).await });
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
                Some(_) = sessions.join_next() => {}
            }
        }
    }

    /// Serves one client.
    pub(crate) async fn client(self: Arc<Self>, stream: TcpStream, from: IpAddr) {
        let Ok(_place) = Arc::clone(&self.clients).try_acquire_owned() else {
            greet::refuse_too_many(stream).await;
            return;
        };
        if let Err(error) = prepare(&stream) {
            tracing::debug!(%error, "a client's connection could not be set up");
        }
        session::run(&self, stream, from).await;
    }
}

/// Small packets go out at once, and a client that vanished without a word is noticed.
fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    use rustix::net::sockopt;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE / KEEPALIVE_PROBES)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?;
    Ok(())
}

/// The address at which `database` number `number` is known inside functions' sandboxes, where every name of an
/// endpoint is loopback: each database has an address of its own there, for MySQL's protocol does not say which server a
/// client wants.
pub(crate) fn inside_address(number: u32) -> std::net::Ipv4Addr {
    // 127.64.0.0/10
    std::net::Ipv4Addr::from(0x7f40_0000 | (number & 0x003f_ffff))
}

/// The database number of [`inside_address`].
pub(crate) fn number_at(address: SocketAddr) -> Option<u32> {
    match address.ip() {
        IpAddr::V4(address) if u32::from(address) & 0xffc0_0000 == 0x7f40_0000 => {
            Some(u32::from(address) & 0x003f_ffff)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_has_an_address_inside() {
        let address = inside_address(70_000);
        assert!(address.is_loopback());
        assert_eq!(number_at((address, 3306).into()), Some(70_000));
        assert_eq!(number_at(([127, 0, 0, 1], 3306).into()), None);
    }
}
