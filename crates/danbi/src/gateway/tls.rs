//! TLS on the one port: a connection that begins with a handshake is decrypted, with a certificate of the platform's own
//! authority (`DATA/ca/cert.pem`) for the name that the client asks for.

use crate::authority::{Authority, AuthorityError};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// The first byte of a TLS connection: a handshake record. No HTTP method begins with it.
const HANDSHAKE: u8 = 0x16;
/// A record with the fatal alert `unrecognized_name`. Source: RFC 6066, 3.
const NO_SUCH_NAME: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 112];

/// Decrypts connections. The authority is opened, or made, when it is first needed.
pub struct Tls {
    data: PathBuf,
    authority: OnceCell<Arc<Authority>>,
}

impl Tls {
    /// With the authority of the data folder `data`.
    pub fn new(data: PathBuf) -> Self {
        Self {
            data,
            authority: OnceCell::new(),
        }
    }

    /// Opens the authority, so that its certificate is there to be trusted before anybody connects.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub async fn authority(&self) -> Result<&Arc<Authority>, AuthorityError> {
        let open = async || {
            let data = self.data.clone();
            match tokio::task::spawn_blocking(move || Authority::open(&data)).await {
                Ok(opened) => opened.map(Arc::new),
                Err(error) => Err(AuthorityError::interrupted(&self.data, &error)),
            }
        };
        self.authority.get_or_try_init(open).await
    }

    /// What whoever shall trust the platform trusts, PEM: the system's certificates and the authority's.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub async fn bundle(&self) -> Result<String, AuthorityError> {
        let authority = Arc::clone(self.authority().await?);
        let bundle = tokio::task::spawn_blocking(move || authority.bundle()).await;
        bundle.map_err(|error| AuthorityError::interrupted(&self.data, &error))
    }

    /// Whether the connection speaks TLS: waits for its first byte. `None` when it ended without one.
    pub async fn is_spoken(stream: &TcpStream) -> Option<bool> {
        let mut first = [0];
        match stream.peek(&mut first).await {
            Ok(1..) => Some(first[0] == HANDSHAKE),
            Ok(0) | Err(_) => None,
        }
    }

    /// Shakes hands. The caller bounds the time.
    ///
    /// # Errors
    /// What went wrong; also a name that the platform does not answer for.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let authority = self.authority().await.map_err(io::Error::other)?;
        let mut start = LazyConfigAcceptor::new(Default::default(), stream).await?;
        let name = start.client_hello().server_name().map(str::to_owned);
        match authority.server(name.as_deref()).map_err(io::Error::other)? {
            Some(config) => start.into_stream(config).await,
            None => {
                start.io.write_all(&NO_SUCH_NAME).await?;
                Err(io::Error::other("the client asks for a name that is not ours"))
            }
        }
    }
}

/// Databases answer for the platform's names, and for none at all when the client does not say one.
#[async_trait::async_trait]
impl danbi_rds::Tls for Tls {
    async fn server_config(&self, name: Option<&str>) -> Result<Arc<rustls::ServerConfig>, String> {
        let authority = self.authority().await.map_err(|error| error.to_string())?;
        let config = authority.server(name).map_err(|error| error.to_string())?;
        config.ok_or_else(|| "the client asks for a name that is not ours".to_owned())
    }

    async fn authority(&self) -> Result<danbi_rds::Authority, String> {
        let authority = Tls::authority(self).await.map_err(|error| error.to_string())?;
        let certificate = authority.certificate().map_err(|error| error.to_string())?;
        let (der, [valid_from, valid_till]) = certificate;
        Ok(danbi_rds::Authority {
            der: der.to_vec(),
            valid_from,
            valid_till,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::{Drain, Handler, Limits, Peer, Server};
    use danbi_core::{Body, full_body};
    use http::{Request, Response};
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    use std::time::Duration;
    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;

    /// Tells whether the request came over TLS.
    struct Told;

    impl Handler for Told {
        async fn handle(&self, _: Request<Body>, peer: Peer) -> Response<Body> {
            Response::new(full_body(if peer.secure { "secure" } else { "plain" }))
        }
    }

    async fn ask(mut io: impl AsyncRead + AsyncWrite + Unpin) -> String {
        io.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        // A peer may end a TLS connection without saying so.
        let _ = io.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn one_port_speaks_both_and_its_certificates_are_the_authoritys() {
        let data = tempfile::tempdir().unwrap();
        let tls = Arc::new(Tls::new(data.path().into()));
        tls.authority().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_switch, drain) = Drain::new();
        let server = Server::new(Arc::new(Told), Limits::default(), drain).with_tls(tls);
        let serving = tokio::spawn(server.serve(listener, Duration::ZERO));

        assert!(ask(TcpStream::connect(address).await.unwrap()).await.ends_with("plain"));
        let pem = std::fs::read(data.path().join("ca/cert.pem")).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        for name in ["localhost", "127.0.0.1", "b.s3.localhost", "s3.eu-west-1.amazonaws.com"] {
            let stream = TcpStream::connect(address).await.unwrap();
            let stream = connector
                .connect(ServerName::try_from(name).unwrap(), stream)
                .await
                .unwrap();
            assert!(ask(stream).await.ends_with("secure"), "{name}");
        }
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("example.com").unwrap();
        let refused = connector.connect(name, stream).await.unwrap_err().to_string();
        assert!(refused.contains("UnrecognisedName"), "{refused}");
        serving.abort();
    }

    #[tokio::test]
    async fn half_a_handshake_and_none_are_dropped() {
        let data = tempfile::tempdir().unwrap();
        let (_switch, drain) = Drain::new();
        let limits = Limits {
            header_timeout: Duration::from_millis(200),
            ..Limits::default()
        };
        let tls = Arc::new(Tls::new(data.path().into()));
        let server = Server::new(Arc::new(Told), limits, drain).with_tls(tls);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        for said in ["", "\x16\x03\x01\x02", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (connection, peer) = listener.accept().await.unwrap();
            let peer = Peer {
                ip: peer.ip(),
                secure: false,
            };
            client.write_all(said.as_bytes()).await.unwrap();
            server.secured(connection, peer).await;
            let mut answer = Vec::new();
            // A reset is an end as well.
            let _ = client.read_to_end(&mut answer).await;
            assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
        }
    }
}
