//! The accept loop and the life of a connection.

use super::departure::Departure;
use super::limits::{self, Limits, Unstalled};
use super::lingering::{Lent, linger};
use super::{Handler, Peer, Tls};
use danbi_core::Body;
use http::header::{CONNECTION, EXPECT, HeaderValue};
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
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
    limits: Limits,
    drain: Drain,
    tls: Option<Arc<Tls>>,
}

impl<H> Clone for Server<H> {
    fn clone(&self) -> Self {
        Self {
            handler: Arc::clone(&self.handler),
            http: self.http.clone(),
            limits: self.limits,
            drain: self.drain.clone(),
            tls: self.tls.clone(),
        }
    }
}

impl<H: Handler> Server<H> {
    /// A server for `handler` that finishes when `drain` says so.
    pub fn new(handler: Arc<H>, limits: Limits, drain: Drain) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.idle_timeout)
            .max_buf_size(limits.max_header_bytes as usize)
            .max_headers(limits.max_headers)
            .half_close(true);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(limits.header_timeout))
            .max_header_list_size(limits.max_header_bytes)
            .max_concurrent_streams(256);
        Self {
            handler,
            http,
            limits,
            drain,
            tls: None,
        }
    }

    /// Also serves connections that speak TLS.
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<Tls>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Accepts until draining begins, then waits up to `grace` for open connections and drops the rest.
    pub async fn serve(self, listener: TcpListener, grace: Duration) {
        limits::raise_open_files();
        let mut connections = JoinSet::new();
        let places = Arc::new(Semaphore::new(self.limits.max_connections));
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
                        server.accepted(stream, Peer { ip, secure: false }).await;
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

    /// Serves one connection to its end, or until some time after its client closed its side.
    async fn accepted(&self, stream: TcpStream, peer: Peer) {
        match Departure::of(&stream) {
            Ok(departure) => tokio::select! {
                () = self.plain_or_secure(stream, peer) => {}
                () = departure.noticed(self.limits.half_closed_timeout) => {
                    tracing::debug!(peer = %peer.ip, "a connection whose client has left is dropped");
                }
            },
            Err(error) => tracing::warn!(%error, "a connection is refused: it cannot be watched"),
        }
    }

    async fn plain_or_secure(&self, stream: TcpStream, peer: Peer) {
        let Some(tls) = &self.tls else {
            return self.connection(stream, peer).await;
        };
        let shaking = async {
            match Tls::is_spoken(&stream).await {
                Some(true) => tls.accept(stream).await.map(Ok),
                Some(false) => Ok(Err(stream)),
                None => Err(std::io::ErrorKind::UnexpectedEof.into()),
            }
        };
        match tokio::time::timeout(self.limits.header_timeout, shaking).await {
            Ok(Ok(Ok(stream))) => self.connection(stream, Peer { secure: true, ..peer }).await,
            Ok(Ok(Err(stream))) => self.connection(stream, peer).await,
            Ok(Err(error)) => tracing::debug!(%error, peer = %peer.ip, "a connection ended in its handshake"),
            Err(_) => tracing::debug!(peer = %peer.ip, "a connection brought no request and is dropped"),
        }
    }

    /// Serves one connection that has to begin with a handshake, to its end.
    pub async fn secured(&self, stream: TcpStream, peer: Peer) {
        let Some(tls) = &self.tls else { return };
        match tokio::time::timeout(self.limits.header_timeout, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.connection(stream, Peer { secure: true, ..peer }).await,
            Ok(Err(error)) => tracing::debug!(%error, peer = %peer.ip, "a connection ended in its handshake"),
            Err(_) => tracing::debug!(peer = %peer.ip, "a handshake took too long and is dropped"),
        }
    }

    /// Serves one connection, whatever carries it, to its end.
    pub async fn connection(&self, io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer) {
        let handler = Arc::clone(&self.handler);
        let limits = self.limits;
        let asked = Arc::new(AtomicBool::new(false));
        let has_asked = Arc::clone(&asked);
        let still_sends = Arc::new(AtomicBool::new(false));
        let sends = Arc::clone(&still_sends);
        let service = service_fn(move |request: Request<Incoming>| {
            let handler = Arc::clone(&handler);
            has_asked.store(true, Ordering::Relaxed);
            let sends = Arc::clone(&sends);
            async move {
                let version = request.version();
                let (parts, body) = request.into_parts();
                // An empty body is never asked for with 100, and clients that waited for it (the AWS CLI's library) take
                // the status of their next answer on this connection for the one of this.
                let waits = version < Version::HTTP_2 && parts.headers.contains_key(EXPECT);
                let unasked = waits && body.is_end_stream();
                let (body, mut left) =
                    Unstalled::new(body.map_err(Into::into).boxed_unsync(), limits.body_stall_timeout);
                let request = Request::from_parts(parts, body.boxed_unsync());
                let mut response = handler.handle(request, peer).await;
                // A client that sends its next request into a connection about to close would see it break.
                let unread = match left.try_recv() {
                    // Reading it would ask for it, after the answer is known.
                    Ok(_) if waits => true,
                    Ok(body) if version < Version::HTTP_2 => {
                        !limits::discard(body, limits.max_discarded_bytes, limits.discard_timeout).await
                    }
                    _ => false,
                };
                sends.store(unread, Ordering::Relaxed);
                if unread || unasked {
                    response
                        .headers_mut()
                        .insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<Response<_>, Infallible>(response)
            }
        });
        let (io, mut back) = Lent::new(io);
        let ended = self.exchanges(io, service, &asked).await;
        let unparsed = ended.as_ref().is_err_and(|error| {
            let error = error.downcast_ref::<hyper::Error>();
            error.is_some_and(hyper::Error::is_parse)
        });
        if let Err(error) = ended {
            tracing::debug!(%error, peer = %peer.ip, "connection ended early");
        }
        if (unparsed || still_sends.load(Ordering::Relaxed))
            && let Ok(io) = back.try_recv()
        {
            linger(io, &limits).await;
        }
    }

    /// Answers what is asked on a connection, until it ends or has to.
    async fn exchanges<Io, S>(
        &self,
        io: Io,
        service: S,
        asked: &AtomicBool,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Send,
        S::Future: Send + 'static,
    {
        let connection = self.http.serve_connection_with_upgrades(TokioIo::new(io), service);
        tokio::pin!(connection);
        let mut drain = self.drain.clone();
        // Which version is spoken is found out without a limit of its own, and an HTTP/2 greeting is no request.
        let silence = async {
            tokio::time::sleep(self.limits.header_timeout).await;
            if asked.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = silence => Err("it brought no request".into()),
            () = drain.begun() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use danbi_core::full_body;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Answers with the request's body, or 400 when it breaks off.
    struct Echo;

    impl Handler for Echo {
        async fn handle(&self, request: Request<Body>, _peer: Peer) -> Response<Body> {
            match request.into_body().collect().await {
                Ok(body) => Response::new(full_body(body.to_bytes())),
                Err(error) => {
                    let mut response = Response::new(full_body(error.to_string()));
                    *response.status_mut() = http::StatusCode::BAD_REQUEST;
                    response
                }
            }
        }
    }

    async fn echo() -> (std::net::SocketAddr, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (switch, drain) = Drain::new();
        let quick = Duration::from_millis(200);
        let limits = Limits {
            header_timeout: quick,
            idle_timeout: quick,
            body_stall_timeout: quick,
            ..Limits::default()
        };
        let serving = tokio::spawn(Server::new(Arc::new(Echo), limits, drain).serve(listener, Duration::from_secs(5)));
        (address, switch, serving)
    }

    /// Sends `request`, never more, and reads what comes until the server closes.
    async fn exchange(address: std::net::SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn a_client_that_dawdles_over_its_header_is_dropped() {
        let (address, _switch, _serving) = echo().await;
        let answer = exchange(address, b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
        assert!(answer.is_empty() || answer.contains(" 408 "), "{answer}");
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_is_dropped_whatever_it_began_to_speak() {
        let (address, _switch, _serving) = echo().await;
        let greeting: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        for said in [b"".as_slice(), b"P", &greeting[..10], greeting] {
            let answered = tokio::time::timeout(Duration::from_secs(20), exchange(address, said)).await;
            assert!(answered.is_ok(), "{said:?} is kept");
        }
    }

    #[tokio::test]
    async fn a_client_that_stalls_in_its_body_is_answered() {
        let (address, _switch, _serving) = echo().await;
        let answer = exchange(address, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc").await;
        assert!(
            answer.contains(" 400 ") && answer.contains("RequestTimeout"),
            "{answer}"
        );
    }

    /// Answers without a look at the body.
    struct Deaf;

    impl Handler for Deaf {
        async fn handle(&self, _request: Request<Body>, _peer: Peer) -> Response<Body> {
            Response::new(full_body("no"))
        }
    }

    #[tokio::test]
    async fn a_connection_outlives_a_body_that_nobody_read() {
        let (_switch, drain) = Drain::new();
        let server = Server::new(Arc::new(Deaf), Limits::default(), drain);
        let (mut client, io) = tokio::io::duplex(1 << 20);
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let serving = tokio::spawn(async move { server.connection(io, Peer { ip, secure: false }).await });
        let small = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nrain";
        let large = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", 300 << 10);
        for _ in 0..3 {
            client.write_all(small).await.unwrap();
        }
        client.write_all(large.as_bytes()).await.unwrap();
        client.write_all(&vec![b'x'; 300 << 10]).await.unwrap();
        let mut answers = String::new();
        client.read_to_string(&mut answers).await.unwrap();
        assert_eq!(answers.matches(" 200 OK").count(), 4, "{answers}");
        assert_eq!(answers.matches("connection: close").count(), 1, "{answers}");
        drop(client);
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_header_of_a_megabyte_is_refused() {
        let (address, _switch, _serving) = echo().await;
        let mut request = b"GET / HTTP/1.1\r\nHost: x\r\nX-Big: ".to_vec();
        request.resize(1 << 20, b'x');
        let answer = exchange(address, &request).await;
        assert!(answer.contains(" 431 "), "{answer}");
    }

    /// A server that looks at no body, over real sockets: pipes in memory know no reset.
    async fn deaf(limits: Limits) -> (std::net::SocketAddr, watch::Sender<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (switch, drain) = Drain::new();
        tokio::spawn(Server::new(Arc::new(Deaf), limits, drain).serve(listener, Duration::from_secs(5)));
        (address, switch)
    }

    #[tokio::test]
    async fn who_waits_with_the_body_is_answered_and_may_still_send_it() {
        let (address, _switch) = deaf(Limits::default()).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let mut answer = String::new();
        let answered = tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut answer));
        answered.await.unwrap().unwrap();
        assert!(
            answer.contains("connection: close") && answer.ends_with("no"),
            "{answer}"
        );
        for piece in vec![b'x'; 100_000].chunks(10_000) {
            stream.write_all(piece).await.unwrap();
        }
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn who_sends_everything_before_it_reads_gets_the_answer() {
        let (address, _switch) = deaf(Limits::default()).await;
        for _ in 0..8 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let size = 8 << 20;
            let head = format!("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&vec![b'x'; size]).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.ends_with("no"), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_body_without_end_is_cut_off() {
        let limits = Limits {
            max_lingering_bytes: 1 << 20,
            ..Limits::default()
        };
        let (address, _switch) = deaf(limits).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let chunk = [b"10000\r\n".as_slice(), &[b'x'; 1 << 16], b"\r\n"].concat();
        let sent = async { while stream.write_all(&chunk).await.is_ok() {} };
        tokio::time::timeout(Duration::from_secs(60), sent).await.unwrap();
    }

    #[tokio::test]
    async fn draining_finishes_what_is_under_way_and_takes_nothing_new() {
        let (address, switch, serving) = echo().await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nra")
            .await
            .unwrap();
        // The server has taken the request once a second one on another connection has been answered.
        assert!(
            exchange(address, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                .await
                .contains(" 200 ")
        );
        switch.send(true).unwrap();
        stream.write_all(b"in").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(String::from_utf8_lossy(&answer).ends_with("rain"));
        serving.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
