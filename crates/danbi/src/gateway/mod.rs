//! The one port. It accepts connections, decrypts those that speak TLS, bounds what they may cost, chooses a door for each request ([`route`]) and
//! answers; what lies behind a door is not its business.

mod departure;
mod front;
mod limits;
mod lingering;
pub mod route;
mod sandbox_door;
mod server;
mod tls;

pub use front::{Addresses, Domain, Front};
pub use limits::Limits;
pub use sandbox_door::SandboxDoor;
pub use server::{Drain, Server};
pub use tls::Tls;

use danbi_core::Body;
use http::{Request, Response};
use std::future::Future;
use std::net::IpAddr;

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The other end's address.
    pub ip: IpAddr,
    /// Whether it came over TLS.
    pub secure: bool,
}

/// Answers requests. Never fails: what goes wrong becomes a response.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    fn handle(&self, request: Request<Body>, peer: Peer) -> impl Future<Output = Response<Body>> + Send;
}
