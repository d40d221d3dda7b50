use super::route::{Route, route};
use super::{Call, ContainerCredentials, Event, MAX_PAYLOAD, MAX_STREAM, Refusal, StreamClose, Variables, Verdict};
use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

/// Bytes of request headers that are read; awslambdaric sends up to 1 MiB of X-Ray cause in one.
const MAX_HEADER_BYTES: usize = 2 * 1024 * 1024;
/// Connections that one environment may hold open at once, besides one for each event that it takes; runtimes use one or
/// two.
const MAX_CONNECTIONS: usize = 16;
/// Bodies of one environment that are held at once: its answers, and one more that is about to be refused. Without this
/// bound a function could fill the platform's memory with answers to nothing.
const MAX_BODIES: usize = 8;

const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";

/// After a refused accept: the platform is out of descriptors, which passes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What every connection of one environment shares.
struct Shared {
    calls: mpsc::Sender<Call>,
    credentials: Option<Arc<ContainerCredentials>>,
    bodies: Semaphore,
    /// Streamed answers, which are held by pieces only.
    streams: Semaphore,
}

/// Accepts connections until dropped; every connection ends with it. `places` is how many events the process takes.
pub(crate) async fn serve(
    listener: TcpListener,
    calls: mpsc::Sender<Call>,
    credentials: Option<Arc<ContainerCredentials>>,
    places: usize,
) {
    let mut connections = JoinSet::new();
    let shared = Arc::new(Shared {
        calls,
        credentials,
        bodies: Semaphore::new((places + 1).min(MAX_BODIES)),
        streams: Semaphore::new(places + 1),
    });
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                if connections.len() >= MAX_CONNECTIONS + places {
                    continue;
                }
                let _ = stream.set_nodelay(true);
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        let shared = Arc::clone(&shared);
                        async move { Ok::<_, Infallible>(answer(request, &shared).await) }
                    });
                    // An error here is the process breaking its own connection; its exit is seen elsewhere.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .pipeline_flush(true)
                        .title_case_headers(true)
                        .max_buf_size(MAX_HEADER_BYTES)
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let Shared {
        calls,
        credentials,
        bodies,
        streams,
    } = shared;
    let (head, body) = request.into_parts();
    let headers = head.headers;
    let called = route(&head.method, head.uri.path());
    // Never closed, so it always gives a place; a call without a body does not wait for one.
    let _place = if body.is_end_stream() {
        None
    } else if matches!(called, Route::Response(_)) && is_streamed(&headers) {
        streams.acquire().await.ok()
    } else {
        bodies.acquire().await.ok()
    };
    let result = match called {
        Route::Next => return render_event(ask(calls, |verdict| Call::Next { verdict }).await),
        Route::Assignment => return render_assignment(ask(calls, |verdict| Call::Assignment { verdict }).await),
        Route::Ping => return render(StatusCode::OK, "text/plain", Bytes::from_static(b"pong")),
        Route::Credentials => {
            let token = text(&headers, "authorization");
            let document = credentials.as_ref().and_then(|own| own.for_token(token.as_deref()));
            return match document {
                Some(document) => {
                    let mut response = render(StatusCode::OK, "application/json", document.into());
                    // An SDK's client made while a template is initialised asks; a connection that it kept would be an
                    // open socket, and the template could not be forked.
                    response
                        .headers_mut()
                        .insert(CONNECTION, HeaderValue::from_static("close"));
                    response
                }
                None => render(
                    StatusCode::FORBIDDEN,
                    "text/plain",
                    Bytes::from_static(b"unknown token"),
                ),
            };
        }
        Route::Response(id) => take_answer(id, &headers, body, calls).await,
        Route::Error(id) => take_error(id.to_owned(), &headers, body, calls).await,
        Route::InitError => take_init_error(&headers, body, calls).await,
        Route::Restore => Err(Refusal::restore()),
        Route::Extension => Err(Refusal::extensions()),
        Route::LogsApi => Err(Refusal::logs_api()),
        Route::TelemetryApi => Err(Refusal::telemetry_api()),
        Route::WrongMethod => Err(Refusal::no_such_method()),
        Route::Unknown => Err(Refusal::no_such_path()),
    };
    match result {
        Ok(()) => render(
            StatusCode::ACCEPTED,
            "application/json",
            Bytes::from_static(b"{\"status\":\"OK\"}\n"),
        ),
        Err(refusal) => render_refusal(&refusal),
    }
}

async fn ask<T>(calls: &mpsc::Sender<Call>, call: impl FnOnce(Verdict<T>) -> Call) -> Result<T, Refusal> {
    let (verdict, decided) = oneshot::channel();
    calls.send(call(verdict)).await.map_err(|_| Refusal::gone())?;
    decided.await.unwrap_or_else(|_| Err(Refusal::gone()))
}

fn is_streamed(headers: &HeaderMap) -> bool {
    let mode = headers.get(RESPONSE_MODE);
    mode.is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"streaming"))
}

async fn take_answer(id: &str, headers: &HeaderMap, body: Incoming, calls: &mpsc::Sender<Call>) -> Result<(), Refusal> {
    let request_id = id.to_owned();
    if is_streamed(headers) {
        return take_stream(request_id, headers, body, calls).await;
    }
    match text(headers, RESPONSE_MODE).as_deref() {
        None | Some("") => {}
        Some(_) => return ask(calls, |verdict| Call::WrongMode { request_id, verdict }).await,
    }
    let payload = take_payload(&request_id, body, calls).await?;
    ask(calls, |verdict| Call::Answer {
        request_id,
        payload,
        verdict,
    })
    .await
}

async fn take_stream(
    request_id: String,
    headers: &HeaderMap,
    mut body: Incoming,
    calls: &mpsc::Sender<Call>,
) -> Result<(), Refusal> {
    let content_type = text(headers, CONTENT_TYPE.as_str());
    let id = request_id.clone();
    let chunks = ask(calls, |verdict| Call::Stream {
        request_id: id,
        content_type,
        verdict,
    })
    .await?;
    let close = forward(&mut body, chunks).await;
    let refusal = match close {
        StreamClose::Complete | StreamClose::Failed { .. } => None,
        StreamClose::Truncated => Some(Refusal::truncated()),
        StreamClose::TooLarge => Some(Refusal::too_large(MAX_STREAM)),
    };
    ask(calls, |verdict| Call::StreamEnd {
        request_id,
        close,
        verdict,
    })
    .await?;
    refusal.map_or(Ok(()), Err)
}

/// Hands the chunks on as they come. When nobody reads any more the rest is read and dropped: the function is not the
/// one to learn that its caller has left.
async fn forward(body: &mut Incoming, chunks: mpsc::Sender<Bytes>) -> StreamClose {
    let mut total = 0;
    let mut trailers = HeaderMap::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return StreamClose::Truncated;
        };
        match frame.into_data() {
            Ok(data) => {
                total += data.len();
                if total > MAX_STREAM {
                    return StreamClose::TooLarge;
                }
                if !data.is_empty() {
                    let _ = chunks.send(data).await;
                }
            }
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    match text(&trailers, "lambda-runtime-function-error-type") {
        Some(error_type) => StreamClose::Failed {
            error_type,
            document: trailer_document(&trailers),
        },
        None => StreamClose::Complete,
    }
}

/// The error document in a trailer travels as base64; one that is not is taken as it is.
fn trailer_document(trailers: &HeaderMap) -> Bytes {
    let Some(value) = trailers.get("lambda-runtime-function-error-body") else {
        return Bytes::new();
    };
    match base64::engine::general_purpose::STANDARD.decode(value.as_bytes()) {
        Ok(document) => document.into(),
        Err(_) => Bytes::copy_from_slice(value.as_bytes()),
    }
}

async fn take_error(
    request_id: String,
    headers: &HeaderMap,
    body: Incoming,
    calls: &mpsc::Sender<Call>,
) -> Result<(), Refusal> {
    let error_type = text(headers, "lambda-runtime-function-error-type");
    let document = take_payload(&request_id, body, calls).await?;
    ask(calls, |verdict| Call::Error {
        request_id,
        error_type,
        document,
        verdict,
    })
    .await
}

/// What the process says of an event, whole; the environment hears of one that is too large or broken off.
async fn take_payload(id: &str, body: Incoming, calls: &mpsc::Sender<Call>) -> Result<Bytes, Refusal> {
    let request_id = id.to_owned();
    match read_whole(body, MAX_PAYLOAD).await {
        Ok(payload) => Ok(payload),
        Err(Unread::TooLarge) => {
            ask(calls, |verdict| Call::TooLarge { request_id, verdict }).await?;
            Err(Refusal::too_large(MAX_PAYLOAD))
        }
        Err(Unread::Broken) => {
            ask(calls, |verdict| Call::Truncated { request_id, verdict }).await?;
            Err(Refusal::truncated())
        }
    }
}

async fn take_init_error(headers: &HeaderMap, body: Incoming, calls: &mpsc::Sender<Call>) -> Result<(), Refusal> {
    let error_type = text(headers, "lambda-runtime-function-error-type");
    let document = read_whole(body, MAX_PAYLOAD).await.map_err(|unread| match unread {
        Unread::TooLarge => Refusal::too_large(MAX_PAYLOAD),
        Unread::Broken => Refusal::truncated(),
    })?;
    ask(calls, |verdict| Call::InitError {
        error_type,
        document,
        verdict,
    })
    .await
}

enum Unread {
    TooLarge,
    Broken,
}

async fn read_whole(mut body: Incoming, limit: usize) -> Result<Bytes, Unread> {
    if body.size_hint().lower() > limit as u64 {
        drain(&mut body).await;
        return Err(Unread::TooLarge);
    }
    let mut first: Option<Bytes> = None;
    let mut more = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else {
            continue;
        };
        // The usual answer is one chunk: it is kept as it came, without a copy.
        match (&first, more.is_empty()) {
            (None, true) => first = Some(data),
            _ => {
                if let Some(head) = first.take() {
                    more.reserve(body.size_hint().lower() as usize + head.len() + data.len());
                    more.extend_from_slice(&head);
                }
                more.extend_from_slice(&data);
            }
        }
        if first.as_ref().map_or(more.len(), Bytes::len) > limit {
            drain(&mut body).await;
            return Err(Unread::TooLarge);
        }
    }
    Ok(first.unwrap_or_else(|| more.freeze()))
}

/// Reads a refused body to its end, within reason, so that the process gets to see the refusal instead of a reset.
async fn drain(body: &mut Incoming) {
    let mut left = 64 * 1024 * 1024_usize;
    while let Some(Ok(frame)) = body.frame().await {
        let taken = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(taken) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn render(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn render_refusal(refusal: &Refusal) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    render(status, "application/json", refusal.document().into())
}

fn render_assignment(assigned: Result<Variables, Refusal>) -> Response<Full<Bytes>> {
    match assigned {
        Ok(variables) => {
            let document: serde_json::Map<_, _> = variables
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect();
            let text = serde_json::Value::Object(document).to_string();
            render(StatusCode::OK, "application/json", text.into())
        }
        Err(refusal) => render_refusal(&refusal),
    }
}

fn render_event(next: Result<Event, Refusal>) -> Response<Full<Bytes>> {
    let event = match next {
        Ok(event) => event,
        Err(refusal) => return render_refusal(&refusal),
    };
    let mut response = render(StatusCode::OK, "application/json", event.payload);
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: String| {
        // A value that cannot be a header (a line end in a client context) is left out rather than failing the event.
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value)) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("lambda-runtime-aws-request-id", event.request_id);
    set("lambda-runtime-deadline-ms", event.deadline_ms.to_string());
    set("lambda-runtime-invoked-function-arn", event.invoked_arn);
    set("lambda-runtime-trace-id", event.trace_id);
    if let Some(context) = event.client_context {
        set("lambda-runtime-client-context", context);
    }
    if let Some(identity) = event.cognito_identity {
        set("lambda-runtime-cognito-identity", identity);
    }
    response
}
