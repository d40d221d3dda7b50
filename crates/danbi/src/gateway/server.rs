//! The accept loop and the life of a connection.

use super::limits::{self, Unstalled};
use super::{Handler, Peer};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Tells connections to finish what they are doing and then to close.
#[derive(Debug, Clone)]
pub struct Drain(watch::Receiver<bool>);

impl Drain {
    /// A switch and the signal it gives.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (switch, signal) = watch::channel(false);
        (switch, Self(signal))
    }

    /// Returns once draining has begun (or the switch is gone).
    pub async fn begun(&mut self) {
        // An error means that the switch was dropped, which ends the platform just the same.
        let _ = self.0.wait_for(|begun| *begun).await;
    }
}

/// Serves connections with one handler.
pub struct Server<H> {
    handler: Arc<H>,
    http: auto::Builder<TokioExecutor>,
    drain: Drain,
}

impl<H> Clone for Server<H> {
    fn clone(&self) -> Self {
        Self {
            handler: Arc::clone(&self.handler),
            http: self.http.clone(),
            drain: self.drain.clone(),
        }
    }
}

impl<H: Handler> Server<H> {
    /// A server for `handler` that finishes when `drain` says so.
    pub fn new(handler: Arc<H>, drain: Drain) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::HEADER_TIMEOUT)
            .max_buf_size(limits::MAX_HEADER_BYTES)
            .max_headers(limits::MAX_HEADERS)
            .half_close(true);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(limits::HEADER_TIMEOUT))
            .max_header_list_size(limits::MAX_HEADER_BYTES as u32)
            .max_concurrent_streams(256)
            .enable_connect_protocol();
        Self { handler, http, drain }
    }

    /// Accepts until draining begins, then waits up to `grace` for open connections and drops the rest.
    pub async fn serve(self, listener: TcpListener, grace: Duration) {
        let mut connections = JoinSet::new();
        let places = Arc::new(Semaphore::new(limits::MAX_CONNECTIONS));
        let mut drain = self.drain.clone();
        loop {
            let accepted = tokio::select! {
                accepted = accept(&listener, &places) => accepted,
                Some(_) = connections.join_next() => continue,
                () = drain.begun() => break,
            };
            match accepted {
                Ok((place, stream, ip)) => {
                    // Small answers must not wait for the peer's acknowledgement.
                    let _ = stream.set_nodelay(true);
                    let server = self.clone();
                    connections.spawn(async move {
                        server.connection(stream, Peer { ip, secure: false }).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; trying again");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop(listener);
        let finished = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, finished).await.is_err() {
            tracing::warn!(
                left = connections.len(),
                "connections did not finish in time and are dropped"
            );
            connections.shutdown().await;
        }
    }

    /// Serves one connection, whatever carries it, to its end.
    pub async fn connection(&self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer) {
        let handler = Arc::clone(&self.handler);
        let service = service_fn(move |request: Request<Incoming>| {
            let handler = Arc::clone(&handler);
            async move {
                let request = request.map(|body| {
                    Unstalled::new(body.map_err(Into::into).boxed_unsync(), limits::BODY_STALL_TIMEOUT).boxed_unsync()
                });
                Ok::<Response<_>, Infallible>(handler.handle(request, peer).await)
            }
        });
        let connection = self.http.serve_connection_with_upgrades(TokioIo::new(io), service);
        tokio::pin!(connection);
        let mut drain = self.drain.clone();
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = drain.begun() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, peer = %peer.ip, "connection ended early");
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(tokio::sync::OwnedSemaphorePermit, tokio::net::TcpStream, IpAddr)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    let ip = match address.ip() {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
        v4 @ IpAddr::V4(Ipv4Addr { .. }) => v4,
    };
    Ok((place, stream, ip))
}
