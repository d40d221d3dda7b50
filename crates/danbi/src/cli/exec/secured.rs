//! The way from the proxy to a platform on this machine: over TLS where it speaks it, because the client did, and bucket
//! policies tell `aws:SecureTransport`.

use crate::authority::Authority;
use http::Uri;
use http::uri::Scheme;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long the first handshake may take; a platform on this machine needs milliseconds.
const HANDSHAKE_TIME_OUT: Duration = Duration::from_secs(5);

/// The endpoint over TLS and what to trust there; `None` when it is not on this machine, is TLS already, or has another
/// authority.
pub async fn secured(endpoint: &Uri, authority: &Authority) -> Option<(Uri, ClientConfig)> {
    let host = endpoint.host()?.trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if endpoint.scheme() != Some(&Scheme::HTTP) || !is_here {
        return None;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(authority.roots()?)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let connect = async {
        let stream = TcpStream::connect((host, endpoint.port_u16().unwrap_or(80)))
            .await
            .ok()?;
        let connector = TlsConnector::from(Arc::new(config.clone()));
        connector.connect(name, stream).await.ok()
    };
    timeout(HANDSHAKE_TIME_OUT, connect).await.ok()??;
    let mut parts = endpoint.clone().into_parts();
    // Without a port it was HTTP's.
    if endpoint.port().is_none() {
        parts.authority = format!("{}:80", endpoint.host()?).parse().ok();
    }
    parts.scheme = Some(Scheme::HTTPS);
    Some((Uri::from_parts(parts).ok()?, config))
}
