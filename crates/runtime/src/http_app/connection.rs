use super::instance::Ticket;
use crate::RuntimeError;
use bytes::Bytes;
use danbi_core::{Body, BodyError, empty_body};
use danbi_sandbox::Sandbox;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{Request, Response, StatusCode, Uri, Version};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Idle connections kept to one instance.
const MAX_IDLE: usize = 64;
/// How long an idle connection is used again: less than after what servers close theirs (gunicorn 2 s, Node 5 s), because
/// a request that crosses with the close is lost.
const IDLE_LIMIT: Duration = Duration::from_secs(1);
/// How long a ready path may take to answer one look.
const READY_LIMIT: Duration = Duration::from_secs(5);
/// How long after a broken connection the process's own end may take to be known.
const WHY_LIMIT: Duration = Duration::from_millis(300);
/// Headers that concern one connection, besides those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

/// The connections to one instance; they end with it.
pub(super) struct Connections {
    sandbox: Arc<Sandbox>,
    port: u16,
    idle: Mutex<Vec<(SendRequest<Body>, Instant)>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Connections {
    pub(super) fn new(sandbox: Arc<Sandbox>, port: u16) -> Self {
        Self {
            sandbox,
            port,
            idle: Mutex::default(),
            tasks: Mutex::new(JoinSet::new()),
        }
    }

    fn take_idle(&self) -> Option<SendRequest<Body>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (sender, since) = idle.pop()?;
            if since.elapsed() > IDLE_LIMIT {
                // The ones below have been idle for longer.
                idle.clear();
            } else if sender.is_ready() {
                return Some(sender);
            }
        }
    }

    fn keep(&self, sender: SendRequest<Body>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE && !sender.is_closed() {
            idle.push((sender, Instant::now()));
        }
    }

    async fn open(&self) -> Result<SendRequest<Body>, String> {
        let stream = self
            .sandbox
            .connect(self.port)
            .await
            .map_err(|error| error.to_string())?;
        let (sender, connection) = handshake(stream).await.map_err(|error| error.to_string())?;
        // An error of the connection shows at the request that it breaks.
        self.own(async move { drop(connection.with_upgrades().await) });
        Ok(sender)
    }

    fn own(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

type Connection = http1::Connection<TokioIo<tokio::net::TcpStream>, Body>;

async fn handshake(stream: std::net::TcpStream) -> Result<(SendRequest<Body>, Connection), BodyError> {
    let _ = stream.set_nodelay(true);
    stream.set_nonblocking(true)?;
    let stream = tokio::net::TcpStream::from_std(stream)?;
    Ok(http1::Builder::new().handshake(TokioIo::new(stream)).await?)
}

/// Whether `GET path` answers with a status below 400.
pub(super) async fn ready_path_answers(stream: std::net::TcpStream, path: &str) -> bool {
    let asked = async {
        let (mut sender, connection) = handshake(stream).await?;
        let request = Request::get(path).header(HOST, "localhost").body(empty_body())?;
        let answer = async move { Ok::<_, BodyError>(sender.send_request(request).await?.status()) };
        tokio::select! {
            status = answer => status,
            _ = connection => Err("the app closed the connection".into()),
        }
    };
    let status = tokio::time::timeout(READY_LIMIT, asked).await;
    matches!(status, Ok(Ok(status)) if status.as_u16() < 400)
}

/// Sends the request to the app and its answer back. `limit` bounds the wait for the answer's head.
pub(super) async fn forward(
    ticket: Ticket,
    mut request: Request<Body>,
    limit: Duration,
) -> Result<Response<Body>, RuntimeError> {
    let connections = ticket.connections().await?;
    let upgrade = wanted_upgrade(&request).map(|protocol| (protocol, hyper::upgrade::on(&mut request)));
    let request = towards_app(request, upgrade.as_ref().map(|(protocol, _)| protocol))?;
    let sent = tokio::time::timeout(limit, send(&connections, request)).await;
    let (mut response, sender) = match sent {
        Ok(Ok(answered)) => answered,
        Ok(Err(reason)) => {
            let why = ticket.why_ended(WHY_LIMIT).await;
            return Err(RuntimeError::App(
                why.unwrap_or_else(|| format!("the app broke off: {reason}")),
            ));
        }
        Err(_) => {
            let message = format!("the app did not answer within {:.2} seconds", limit.as_secs_f64());
            return Err(RuntimeError::App(message));
        }
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let Some((_, ours)) = upgrade else {
            return Err(RuntimeError::App(
                "the app switched protocols without being asked".to_owned(),
            ));
        };
        let theirs = hyper::upgrade::on(&mut response);
        connections.own(async move {
            let _held_for_the_tunnel = ticket;
            let Ok((ours, theirs)) = futures_join(ours, theirs).await else {
                return;
            };
            // Either side breaking off ends the tunnel; there is nobody left to tell.
            let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(ours), &mut TokioIo::new(theirs)).await;
        });
        let (head, _) = response.into_parts();
        return Ok(Response::from_parts(head, empty_body()));
    }
    let (mut head, body) = response.into_parts();
    strip_hop_by_hop(&mut head.headers);
    head.version = Version::HTTP_11;
    Ok(Response::from_parts(
        head,
        Body::new(AppBody {
            body,
            sender: Some(sender),
            connections,
            _ticket: ticket,
        }),
    ))
}

async fn futures_join(
    ours: hyper::upgrade::OnUpgrade,
    theirs: hyper::upgrade::OnUpgrade,
) -> Result<(hyper::upgrade::Upgraded, hyper::upgrade::Upgraded), hyper::Error> {
    tokio::try_join!(ours, theirs)
}

/// Over an idle connection, or over a fresh one when the app has closed that in the meantime. A request that the app may
/// have seen is sent again only when that does no harm, and once. Source:
/// <https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2>.
async fn send(
    connections: &Connections,
    mut request: Request<Body>,
) -> Result<(Response<Incoming>, SendRequest<Body>), String> {
    while let Some(mut sender) = connections.take_idle() {
        let again = repeatable(&request);
        match sender.try_send_request(request).await {
            Ok(response) => return Ok((response, sender)),
            Err(mut refused) => match (refused.take_message(), again) {
                (Some(unsent), _) => request = unsent,
                (None, Some(again)) => {
                    request = again;
                    break;
                }
                (None, None) => return Err(refused.into_error().to_string()),
            },
        }
    }
    let mut sender = connections.open().await?;
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    Ok((response, sender))
}

/// The request once more, when it has no body and means the same however often it is made.
fn repeatable(request: &Request<Body>) -> Option<Request<Body>> {
    if !request.method().is_idempotent() || !request.body().is_end_stream() || request.headers().contains_key(UPGRADE) {
        return None;
    }
    let mut again = Request::new(empty_body());
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.version_mut() = request.version();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

/// The protocol of an HTTP/1.1 upgrade request: WebSocket alone. A tunnel that speaks HTTP (`h2c`) would take requests
/// past the gateway, with whatever headers their sender likes.
fn wanted_upgrade(request: &Request<Body>) -> Option<HeaderValue> {
    let asks = request
        .headers()
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| {
            value
                .split(',')
                .any(|token| token.trim().eq_ignore_ascii_case("upgrade"))
        });
    if asks {
        let protocol = request.headers().get(UPGRADE)?;
        protocol
            .as_bytes()
            .eq_ignore_ascii_case(b"websocket")
            .then(|| protocol.clone())
    } else {
        None
    }
}

fn towards_app(request: Request<Body>, upgrade: Option<&HeaderValue>) -> Result<Request<Body>, RuntimeError> {
    let (mut head, body) = request.into_parts();
    if !head.headers.contains_key(HOST)
        && let Some(authority) = head.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        head.headers.insert(HOST, host);
    }
    strip_hop_by_hop(&mut head.headers);
    if let Some(protocol) = upgrade {
        head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(UPGRADE, protocol.clone());
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = path
        .parse::<Uri>()
        .map_err(|error| RuntimeError::App(format!("bad request path: {error}")))?;
    head.version = Version::HTTP_11;
    Ok(Request::from_parts(head, body))
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| token.trim().parse().ok())
        .collect();
    for name in named.iter().filter(|name| !concerns_the_end(name)).chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Whether a header means the app, so that a client cannot have it dropped by naming it in `Connection`: apps rely on
/// what the gateway says of the client.
fn concerns_the_end(name: &HeaderName) -> bool {
    matches!(
        *name,
        HOST | CONTENT_LENGTH | CONTENT_TYPE | AUTHORIZATION | COOKIE | ORIGIN
    ) || name.as_str().starts_with("x-forwarded-")
        || name.as_str().starts_with("x-amzn-")
}

/// The app's answer; gives the connection back at its end and the ticket when it is dropped.
struct AppBody {
    body: Incoming,
    sender: Option<SendRequest<Body>>,
    connections: Arc<Connections>,
    _ticket: Ticket,
}

impl http_body::Body for AppBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AppBody {
    fn drop(&mut self) {
        // Only a connection whose answer was read to its end can carry another one.
        if http_body::Body::is_end_stream(&self.body)
            && let Some(sender) = self.sender.take()
        {
            self.connections.keep(sender);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_headers_stay_behind() {
        let request = Request::get("http://app.localhost:4566/a?b=c")
            .header("connection", "keep-alive, x-private")
            .header("x-private", "1")
            .header("te", "trailers")
            .header("x-kept", "1")
            .body(empty_body())
            .unwrap();
        assert!(wanted_upgrade(&request).is_none());
        let request = towards_app(request, None).unwrap();
        assert_eq!(request.uri(), "/a?b=c");
        let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-kept", "host"]);
        assert_eq!(request.headers()[HOST], "app.localhost:4566");
    }

    #[test]
    fn what_the_gateway_says_of_the_client_stays() {
        let request = Request::get("/")
            .header("connection", "x-forwarded-for, Host, cookie, upgrade, http2-settings")
            .header("upgrade", "h2c")
            .header("http2-settings", "AAMAAABkAAQAAP__")
            .header("host", "h")
            .header("cookie", "k=v")
            .header("x-forwarded-for", "10.0.0.1")
            .body(empty_body())
            .unwrap();
        assert!(wanted_upgrade(&request).is_none());
        let request = towards_app(request, None).unwrap();
        let mut names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["cookie", "host", "x-forwarded-for"]);
    }

    #[test]
    fn an_upgrade_is_handed_on() {
        let request = Request::get("/ws")
            .header("connection", "keep-alive, Upgrade")
            .header("upgrade", "websocket")
            .body(empty_body())
            .unwrap();
        let protocol = wanted_upgrade(&request).unwrap();
        let request = towards_app(request, Some(&protocol)).unwrap();
        assert_eq!(request.headers()[CONNECTION], "upgrade");
        assert_eq!(request.headers()[UPGRADE], "websocket");
    }
}
