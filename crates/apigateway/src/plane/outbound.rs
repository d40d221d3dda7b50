//! Requests from the platform to backends of HTTP integrations, and where they may go.
//!
//! Whoever may define an API decides where these requests go, so they reach what a sandboxed function could reach and no
//! more: never link-local addresses (a cloud's metadata service), never this machine's own addresses and ports, but for
//! the platform's own port, where every request is authenticated as any other. Addresses are checked after names are
//! resolved, for every connection, so that a name cannot change its meaning in between.

use danbi_core::Body;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

type Requests = Client<HttpsConnector<HttpConnector<Resolver>>, Body>;

/// The client for HTTP integrations.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    /// The platform's own port.
    own_port: Option<u16>,
    client: OnceLock<Requests>,
}

/// Why a backend gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutboundError {
    #[error("Invalid endpoint address: {0} is closed to integrations")]
    Closed(String),
    #[error("{0}")]
    Client(#[from] hyper_util::client::legacy::Error),
    #[error("no trusted certificate authorities: {0}")]
    Roots(std::io::Error),
}

impl Outbound {
    pub(crate) fn new(own_port: Option<u16>) -> Self {
        Self {
            own_port,
            client: OnceLock::new(),
        }
    }

    fn client(&self) -> Result<&Requests, OutboundError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let mut connector = HttpConnector::new_with_resolver(Resolver);
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let builder = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(OutboundError::Roots)?;
        let connector = builder.https_or_http().enable_http1().wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(self.client.get_or_init(|| client))
    }

    /// Sends a request whose URI is absolute.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, OutboundError> {
        let host = request
            .uri()
            .host()
            .unwrap_or_default()
            .trim_matches(['[', ']'])
            .to_ascii_lowercase();
        let port = request.uri().port_u16();
        let is_own_name = host == "localhost" || host.ends_with(".localhost");
        let literal = host.parse::<IpAddr>().ok();
        if is_own_name || literal.is_some_and(|ip| ip.is_loopback()) {
            // The platform itself, and nothing else of this machine.
            if port.is_none() || port != self.own_port {
                return Err(OutboundError::Closed(host));
            }
            let own = format!(
                "http://127.0.0.1:{}{}",
                port.unwrap_or(80),
                request.uri().path_and_query().map_or("/", |path| path.as_str())
            );
            if let Ok(uri) = own.parse::<Uri>() {
                *request.uri_mut() = uri;
            }
        } else if literal.is_some_and(|ip| !is_open(ip)) {
            return Err(OutboundError::Closed(host));
        }
        Ok(self.client()?.request(request).await?)
    }
}

/// Whether integrations may connect to this address.
fn is_open(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    let closed = match ip {
        IpAddr::V4(v4) => {
            v4.is_link_local() || v4.is_unspecified() || v4.is_broadcast() || v4.octets()[0] == 0
                // The sandboxes of functions.
                || (v4.octets()[0] == 198 && matches!(v4.octets()[1], 18 | 19))
                // Alibaba's and Oracle's metadata services.
                || v4 == Ipv4Addr::new(100, 100, 100, 200) || v4 == Ipv4Addr::new(192, 0, 0, 192)
        }
        // Unique local fd00:ec2::254 is Amazon's metadata service.
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_unicast_link_local() || v6.segments()[..2] == [0xfd00, 0x0ec2],
    };
    !closed && !ip.is_loopback() && !ip.is_multicast() && !is_own(ip)
}

/// Whether the address is one of this machine's: then packets to it would leave from it.
fn is_own(ip: IpAddr) -> bool {
    let any: SocketAddr = match ip {
        IpAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        IpAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    // Connecting a datagram socket sends nothing.
    let local = UdpSocket::bind(any).and_then(|socket| {
        socket.connect((ip, 9))?;
        socket.local_addr()
    });
    local.is_ok_and(|local| local.ip() == ip)
}

/// Resolves names to the addresses that are open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resolver;

impl tower_service::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let open: Vec<SocketAddr> = found.filter(|address| is_open(address.ip())).collect();
            if open.is_empty() {
                return Err(std::io::Error::other(
                    "the name has no address that is open to integrations",
                ));
            }
            Ok(open.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_and_this_machine_are_closed() {
        for closed in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "::ffff:127.0.0.1",
            "100.100.100.200",
            "198.18.0.3",
        ] {
            assert!(!is_open(closed.parse().unwrap()), "{closed}");
        }
        assert!(is_open("93.184.216.34".parse().unwrap()));
    }

    #[tokio::test]
    async fn other_ports_of_this_machine_are_refused_by_name_and_number() {
        let outbound = Outbound::new(Some(4566));
        for uri in [
            "http://localhost:22/",
            "http://127.0.0.1/",
            "http://x.localhost:1/",
            "http://[::1]:80/",
            "http://169.254.169.254/latest",
        ] {
            let request = Request::builder().uri(uri).body(danbi_core::empty_body()).unwrap();
            assert!(
                matches!(outbound.send(request).await, Err(OutboundError::Closed(_))),
                "{uri}"
            );
        }
    }
}
