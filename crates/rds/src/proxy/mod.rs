//! What stands between clients and a database's server: an endpoint that is there also while the server sleeps.
//!
//! A client's password is checked here, against what the server keeps of it, and its statements run on whatever
//! connection of its user is free: a server connection is a client's for one transaction, or for good once the session
//! has something that cannot be said again elsewhere ([`crate::mysql::statement`], [`crate::postgres::statement`]). So a
//! thousand clients share twenty connections, and the server can sleep while all of them stay connected.

mod mysql;
mod pool;
mod postgres;
mod stream;
mod threads;

pub(crate) use threads::Threads;

use crate::engines::Family;
use crate::server::Database;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Clients of one database at once.
const MAX_CLIENTS: usize = 5_000;
/// Clients of one database about whom its server is asked at once: each question needs a connection beyond those of
/// clients.
const ASKING: usize = 8;
/// After a refused accept: the platform is out of descriptors, which passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// When a silent client is asked whether it is still there, and how often before it is given up.
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_PROBES: u32 = 4;
/// The number of the first client: threads and processes of servers have smaller ones, so that nobody kills one of those
/// by a number of the proxy's.
const FIRST_CLIENT: u32 = 1 << 30;

/// Encrypts connections. Implemented by the composition root, which has the platform's authority.
#[async_trait::async_trait]
pub trait Tls: Send + Sync + 'static {
    /// How to answer a client that asked for `name`.
    ///
    /// # Errors
    /// In words; the connection is closed.
    async fn server_config(&self, name: Option<&str>) -> Result<Arc<rustls::ServerConfig>, String>;

    /// Who vouches for what such a client is shown.
    ///
    /// # Errors
    /// In words.
    async fn authority(&self) -> Result<Authority, String>;
}

/// The certificate that clients have to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// It, in DER.
    pub der: Vec<u8>,
    /// Milliseconds since the epoch.
    pub valid_from: i64,
    /// Milliseconds since the epoch.
    pub valid_till: i64,
}

/// The front of one database.
pub(crate) struct Front {
    pub(crate) database: Arc<Database>,
    protocol: Protocol,
    clients: Arc<Semaphore>,
    /// The thread of its clients.
    thread: Handle,
}

enum Protocol {
    MySql(mysql::MySql),
    Postgres(Box<postgres::Postgres>),
}

impl Front {
    /// Before `database`, whose server has `version`; its clients are served on `thread`.
    pub(crate) fn new(database: Arc<Database>, version: &str, tls: Option<Arc<dyn Tls>>, thread: Handle) -> Self {
        let behind = Arc::clone(&database);
        Self {
            protocol: match database.family() {
                Family::MariaDb => Protocol::MySql(mysql::MySql::new(behind, version, tls)),
                Family::Postgres => Protocol::Postgres(Box::new(postgres::Postgres::new(behind, tls))),
            },
            database,
            clients: Arc::new(Semaphore::new(MAX_CLIENTS)),
            thread,
        }
    }

    /// Closes the connections that nobody uses: the server is about to be stopped.
    pub(crate) fn clear(&self) {
        match &self.protocol {
            Protocol::MySql(mysql) => mysql.pool.clear(),
            Protocol::Postgres(postgres) => postgres.clear(),
        }
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

    /// Serves a client that came another way than over the listener, until it leaves or this is dropped.
    pub(crate) async fn visitor(self: Arc<Self>, stream: TcpStream, from: IpAddr) {
        // What wakes its thread has to be that thread's own.
        let Ok(stream) = stream.into_std() else { return };
        let thread = self.thread.clone();
        let serving = async move {
            if let Ok(stream) = TcpStream::from_std(stream) {
                self.client(stream, from).await;
            }
        };
        let mut session = JoinSet::new();
        session.spawn_on(serving, &thread);
        session.join_next().await;
    }

    /// Serves one client.
    async fn client(self: Arc<Self>, stream: TcpStream, from: IpAddr) {
        let Ok(_place) = Arc::clone(&self.clients).try_acquire_owned() else {
            match &self.protocol {
                Protocol::MySql(_) => mysql::refuse_too_many(stream).await,
                Protocol::Postgres(_) => postgres::refuse_too_many(stream).await,
            }
            return;
        };
        if let Err(error) = prepare(&stream) {
            tracing::debug!(%error, "a client's connection could not be set up");
        }
        match &self.protocol {
            Protocol::MySql(mysql) => mysql::run(mysql, stream, from).await,
            Protocol::Postgres(postgres) => postgres::run(postgres, stream).await,
        }
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
/// endpoint is loopback: each database has an address of its own there, for the protocols do not say which server a
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
