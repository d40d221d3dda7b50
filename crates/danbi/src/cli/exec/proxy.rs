//! An HTTPS proxy on the loopback interface: AWS's names end here, everything else is passed on unread.

use super::secured::secured;
use crate::authority::{Authority, is_aws_name};
use crate::cli::failure::Failure;
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Longest request head that a proxy's client may send.
const MAX_HEAD: usize = 16 * 1024;
const HEAD_TIME_OUT: Duration = Duration::from_secs(30);
const CONNECT_TIME_OUT: Duration = Duration::from_secs(15);
const HANDSHAKE_TIME_OUT: Duration = Duration::from_secs(15);
/// Connections served at once; more wait in the listener's queue.
const MAX_CONNECTIONS: usize = 1024;

type Answer = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

/// A running proxy. It ends with [`Proxy::stop`], or with the process.
pub struct Proxy {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

struct Shared {
    authority: Authority,
    endpoint: Uri,
    client: Client<HttpsConnector<HttpConnector>, Incoming>,
    /// The user's own proxy, for what is not ours.
    upstream: Option<String>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1.
    pub async fn start(authority: Authority, endpoint: Uri) -> Result<Self, Failure> {
        let cannot = |error: &dyn std::fmt::Display| {
            Failure::new("cannot start the proxy for amazonaws.com names", error)
                .next("check that 127.0.0.1 has a free port")
        };
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(|error| cannot(&error))?;
        let address = listener.local_addr().map_err(|error| cannot(&error))?;
        let mut plain = HttpConnector::new();
        plain.enforce_http(false);
        plain.set_connect_timeout(Some(CONNECT_TIME_OUT));
        let builder = HttpsConnectorBuilder::new();
        let (endpoint, connector) = match secured(&endpoint, &authority).await {
            Some((endpoint, config)) => (endpoint, builder.with_tls_config(config)),
            None => (endpoint, builder.with_native_roots().map_err(|error| cannot(&error))?),
        };
        let connector = connector.https_or_http().enable_http1().wrap_connector(plain);
        // The name that the client addressed travels on: signatures cover it, and the platform knows services by it.
        let client = Client::builder(TokioExecutor::new()).set_host(false).build(connector);
        let shared = Arc::new(Shared {
            authority,
            endpoint,
            client,
            upstream: upstream(),
        });
        let accepting = tokio::spawn(accept(listener, shared));
        Ok(Self { address, accepting })
    }

    /// For `HTTPS_PROXY`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it, with every connection.
    pub async fn stop(self) {
        self.accepting.abort();
        // It was aborted a line above, which is all that it can tell.
        let _ = self.accepting.await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
                // Out of file descriptors: those of connections that end come back.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection. Its errors are the client's to see, as a connection that ends.
async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let Ok(Some(target)) = timeout(HEAD_TIME_OUT, read_connect(&mut stream)).await else {
        // The client may be gone; then nobody needs the explanation.
        let _ = stream
            .write_all(b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await;
        return;
    };
    if is_aws_name(&target.host) {
        let _ = terminate(stream, &target.host, shared).await;
    } else {
        let _ = tunnel(stream, &target, shared.upstream.as_deref()).await;
    }
}

struct Target {
    host: String,
    authority: String,
}

/// Reads `CONNECT host:port` with its headers; nothing when it is another request.
async fn read_connect(stream: &mut TcpStream) -> Option<Target> {
    let mut head = Vec::new();
    // Byte by byte would be slow; whatever follows the head can only come after our answer, so nothing is read too far.
    while !head.ends_with(b"\r\n\r\n") {
        let mut piece = [0; 1024];
        let read = stream.read(&mut piece).await.ok()?;
        if read == 0 || head.len() + read > MAX_HEAD {
            return None;
        }
        head.extend_from_slice(&piece[..read]);
    }
    let line = std::str::from_utf8(&head).ok()?.lines().next()?;
    let mut words = line.split(' ');
    if words.next()? != "CONNECT" {
        return None;
    }
    let authority = words.next()?.to_owned();
    let host = authority.rsplit_once(':')?.0.trim_matches(['[', ']']).to_lowercase();
    Some(Target { host, authority })
}

async fn terminate(
    mut stream: TcpStream,
    host: &str,
    shared: Arc<Shared>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let config = shared
        .authority
        .server(Some(host))?
        .ok_or("not a name of the platform")?;
    // What is served here goes on as HTTP/1.1, so nothing else is offered.
    let mut config = rustls::ServerConfig::clone(&config);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    let tls = timeout(HANDSHAKE_TIME_OUT, TlsAcceptor::from(Arc::new(config)).accept(stream)).await??;
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, std::convert::Infallible>(forward(request, &shared).await) }
    });
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(tls), service)
        .await?;
    Ok(())
}

async fn forward(mut request: Request<Incoming>, shared: &Shared) -> Answer {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let target = Uri::builder()
        .scheme(shared.endpoint.scheme_str().unwrap_or("http"))
        .authority(
            shared
                .endpoint
                .authority()
                .map(http::uri::Authority::as_str)
                .unwrap_or_default(),
        )
        .path_and_query(path)
        .build();
    let Ok(target) = target else {
        return explain("the request's path cannot be passed on");
    };
    *request.uri_mut() = target;
    match shared.client.request(request).await {
        Ok(response) => response.map(BodyExt::boxed_unsync),
        Err(error) => explain(&format!("the platform at {} does not answer: {error}", shared.endpoint)),
    }
}

fn explain(why: &str) -> Answer {
    let body = Full::new(Bytes::from(format!("danbi exec: {why}\n")))
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

async fn tunnel(mut stream: TcpStream, target: &Target, upstream: Option<&str>) -> std::io::Result<()> {
    let to = upstream.unwrap_or(&target.authority);
    let connected = timeout(CONNECT_TIME_OUT, TcpStream::connect(to)).await;
    let Ok(Ok(mut remote)) = connected else {
        return stream
            .write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await;
    };
    if upstream.is_some() {
        // The user's proxy answers for itself; its answer is passed on with the rest.
        let authority = &target.authority;
        remote
            .write_all(format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n").as_bytes())
            .await?;
    } else {
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    }
    copy_bidirectional(&mut stream, &mut remote).await.map(drop)
}

/// `host:port` of the proxy that the user has set, unless it needs TLS or a password, which are then not in our way to
/// hosts that can be reached directly.
fn upstream() -> Option<String> {
    let set = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
    let uri: Uri = if set.contains("://") {
        set.parse().ok()?
    } else {
        format!("http://{set}").parse().ok()?
    };
    let authority = uri.authority()?;
    if uri.scheme_str() != Some("http") || authority.as_str().contains('@') {
        return None;
    }
    Some(format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)))
}

#[cfg(test)]
mod tests {
    use crate::authority::is_aws_name;

    #[test]
    fn only_names_of_aws_end_here() {
        for host in [
            "amazonaws.com",
            "s3.amazonaws.com",
            "bucket.s3.eu-west-1.amazonaws.com",
            "x.lambda-url.us-east-1.on.aws",
        ] {
            assert!(is_aws_name(host), "{host}");
        }
        for host in [
            "pypi.org",
            "notamazonaws.com",
            "amazonaws.com.evil.org",
            "aws.amazon.com",
        ] {
            assert!(!is_aws_name(host), "{host}");
        }
    }
}
