//! One signed request and its answer, with retries where repeating is safe.

use super::xml::Element;
use super::{Failure, Platform};
use bytes::Bytes;
use danbi_core::{Clock, SystemClock};
use danbi_wire::sigv4::{SignedPayload, Signer, sha256};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use indicatif::ProgressBar;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::convert::Infallible;
use std::time::Duration;

const CONNECT_TIME_OUT: Duration = Duration::from_secs(5);
const HEALTH_TIME_OUT: Duration = Duration::from_secs(3);
/// Answers of the control plane.
const CALL_TIME_OUT: Duration = Duration::from_secs(120);
/// The longest invocation (900 s) with its cold start and queueing.
pub(super) const INVOKE_TIME_OUT: Duration = Duration::from_secs(1000);
/// Attempts for one call.
const ATTEMPTS: u32 = 6;
/// The first pause between attempts; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Pieces of an upload, so that its progress can be seen.
const PIECE: usize = 64 * 1024;

type RequestBody = UnsyncBoxBody<Bytes, Infallible>;

/// An HTTP client for `http://` and `https://` endpoints.
#[derive(Clone)]
pub(super) struct Http(Client<HttpsConnector<HttpConnector>, RequestBody>);

/// What came back, read whole.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn error_code(&self) -> Option<String> {
        if let Some(error) = self.xml_error() {
            return Some(error.text_of("Code").to_owned());
        }
        let document = self.document();
        let named = self
            .header("x-amzn-errortype")
            .or_else(|| document["__type"].as_str())
            .or_else(|| document["code"].as_str())?;
        let code = named.split(':').next().unwrap_or(named);
        Some(code.rsplit('#').next().unwrap_or(code).to_owned())
    }

    fn error_message(&self) -> String {
        if let Some(error) = self.xml_error() {
            return error.text_of("Message").to_owned();
        }
        let document = self.document();
        match ["message", "Message", "errorMessage"]
            .iter()
            .find_map(|key| document[key].as_str())
        {
            Some(message) => message.to_owned(),
            None => String::from_utf8_lossy(&self.body[..self.body.len().min(300)]).into_owned(),
        }
    }

    /// S3's errors; those of a `HEAD` have no body, and their status stands for the code.
    fn xml_error(&self) -> Option<Element> {
        let error = Element::parse(&self.body)?;
        match error.name.as_str() {
            "Error" => Some(error),
            "ErrorResponse" => error.all("Error").next().cloned(),
            _ => None,
        }
    }

    fn document(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// One call of an operation.
pub(super) struct Call<'a> {
    pub(super) service: &'static str,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
    pub(super) upload: Option<&'a ProgressBar>,
    pub(super) time_out: Duration,
}

impl Call<'_> {
    pub(super) fn new(service: &'static str, method: Method, path: String, body: &Value) -> Self {
        let body = if body.is_null() {
            Bytes::new()
        } else {
            Bytes::from(body.to_string())
        };
        Self {
            service,
            method,
            path,
            headers: Vec::new(),
            body,
            upload: None,
            time_out: CALL_TIME_OUT,
        }
    }
}

impl Http {
    pub(super) fn new() -> Result<Self, Failure> {
        // The one provider that is compiled in; it may have been installed by another part of the process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut plain = HttpConnector::new();
        plain.set_connect_timeout(Some(CONNECT_TIME_OUT));
        plain.enforce_http(false);
        let builder = HttpsConnectorBuilder::new().with_native_roots();
        let builder = builder.map_err(|error| {
            Failure::new("cannot read the system's certificates", error)
                .next("install them: `apt install ca-certificates`")
        })?;
        Ok(Self(
            Client::builder(TokioExecutor::new()).build(builder.https_or_http().enable_http1().wrap_connector(plain)),
        ))
    }

    /// The platform's health document, or why there is none.
    pub(super) async fn health(&self, endpoint: &Uri) -> Result<Value, String> {
        let uri = at(endpoint, "/_danbi/health");
        let request = Request::get(uri)
            .body(full(Bytes::new()))
            .map_err(|error| error.to_string())?;
        let answer = tokio::time::timeout(HEALTH_TIME_OUT, self.0.request(request));
        let response = answer
            .await
            .map_err(|_| "no answer within 3 s".to_owned())?
            .map_err(|error| explain(&error))?;
        if !response.status().is_success() {
            return Err(format!(
                "it answers {} to /_danbi/health, so it is no danbi or it is not ready",
                response.status()
            ));
        }
        let body = tokio::time::timeout(HEALTH_TIME_OUT, response.into_body().collect());
        let body = body
            .await
            .map_err(|_| "no answer within 3 s".to_owned())?
            .map_err(|error| error.to_string())?;
        serde_json::from_slice(&body.to_bytes())
            .map_err(|_| "it answers /_danbi/health with something other than JSON: it is no danbi".to_owned())
    }

    async fn send(&self, request: Request<RequestBody>, time_out: Duration) -> Result<Reply, SendError> {
        let whole = async {
            let response = self.0.request(request).await.map_err(|error| SendError {
                connect: error.is_connect(),
                reason: explain(&error),
            })?;
            let (parts, body) = response.into_parts();
            let body = body
                .collect()
                .await
                .map_err(|error| SendError {
                    connect: false,
                    reason: error.to_string(),
                })?
                .to_bytes();
            Ok(Reply {
                status: parts.status,
                headers: parts.headers,
                body,
            })
        };
        let late = SendError {
            connect: false,
            reason: format!("no answer within {} s", time_out.as_secs()),
        };
        tokio::time::timeout(time_out, whole).await.unwrap_or(Err(late))
    }
}

struct SendError {
    connect: bool,
    reason: String,
}

impl Platform {
    /// Makes a call. Throttles (429) and 503 are repeated with growing pauses, as is a connection that could not be made;
    /// one that broke is repeated only when the method is idempotent.
    ///
    /// # Errors
    /// The platform's own error, with its code; or what is wrong with the connection.
    pub(super) async fn call(&self, what: &str, call: Call<'_>) -> Result<Reply, Failure> {
        let hash = sha256(&call.body);
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let outcome = self.http.send(self.signed(&call, hash)?, call.time_out).await;
            let last = attempt >= ATTEMPTS;
            match outcome {
                Ok(reply) if reply.status.is_success() => return Ok(reply),
                Ok(reply) if !last && matches!(reply.status.as_u16(), 429 | 503) => {
                    let asked = reply
                        .header(RETRY_AFTER.as_str())
                        .and_then(|text| text.parse().ok())
                        .map(Duration::from_secs);
                    tokio::time::sleep(asked.unwrap_or(pause).min(LONGEST_PAUSE)).await;
                }
                Ok(reply) => return Err(self.refused(what, &reply)),
                Err(error) if !last && (error.connect || call.method.is_idempotent()) => {
                    tokio::time::sleep(pause).await
                }
                Err(error) => {
                    return Err(Failure::new(what, format!("{}: {}", self.endpoint, error.reason))
                        .next("check that the platform runs: `danbi doctor`"));
                }
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        // The loop ends by returning: its last attempt has no arm that goes on.
        Err(Failure::new(what, "no attempt was made"))
    }

    fn signed(&self, call: &Call<'_>, hash: [u8; 32]) -> Result<Request<RequestBody>, Failure> {
        let body = match call.upload {
            Some(bar) => counted(call.body.clone(), bar.clone()),
            None => full(call.body.clone()),
        };
        let unfit = |error: &dyn std::fmt::Display| {
            Failure::new("cannot make the request", error).next("check names and credentials for unusual characters")
        };
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(at(&self.endpoint, &call.path));
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let request = request.body(body).map_err(|error| unfit(&error))?;
        let (mut parts, body) = request.into_parts();
        parts
            .headers
            .entry(CONTENT_TYPE)
            .or_insert(HeaderValue::from_static("application/json"));
        parts
            .headers
            .insert(http::header::CONTENT_LENGTH, HeaderValue::from(call.body.len()));
        let signer = Signer {
            access_key_id: &self.credentials.access_key_id,
            secret: &self.credentials.secret,
            session_token: self.credentials.session_token.as_deref(),
            region: &self.region,
            service: call.service,
            at: SystemClock.now(),
        };
        signer
            .sign(&mut parts, SignedPayload::Sha256(hash))
            .map_err(|error| unfit(&error))?;
        Ok(Request::from_parts(parts, body))
    }

    fn refused(&self, what: &str, reply: &Reply) -> Failure {
        let code = reply
            .error_code()
            .or_else(|| (reply.status == StatusCode::NOT_FOUND).then(|| "NotFound".to_owned()));
        let next = match code.as_deref() {
            Some(
                "UnrecognizedClientException"
                | "InvalidClientTokenId"
                | "InvalidSignatureException"
                | "InvalidAccessKeyId"
                | "SignatureDoesNotMatch",
            ) => {
                format!(
                    "the key {} came from {}; for the platform's own root credentials unset AWS_* and point --data at its data folder",
                    self.credentials.access_key_id,
                    self.credentials.origin()
                )
            }
            Some("AccessDeniedException" | "AccessDenied") => format!(
                "the key {} has no right to it; ask whoever runs the platform",
                self.credentials.access_key_id
            ),
            Some("NoSuchBucket") => {
                "see the buckets with `danbi files ls`, or make one with `danbi files create NAME`".into()
            }
            Some("BucketNotEmpty") => "remove what is in it with `danbi files rm --recursive NAME`".into(),
            _ if reply.status.is_server_error() => "see the platform's own log (serve.log in its data folder)".into(),
            _ => String::new(),
        };
        let why = match &code {
            Some(code) => format!("{code}: {}", reply.error_message()),
            None => format!("{}: {}", reply.status, reply.error_message()),
        };
        Failure::new(what, why).next(next).code(code)
    }

    /// As [`Platform::call`], and reads the answer as JSON.
    pub(super) async fn json<T: DeserializeOwned>(&self, what: &str, call: Call<'_>) -> Result<T, Failure> {
        let reply = self.call(what, call).await?;
        let body: &[u8] = if reply.body.is_empty() { b"null" } else { &reply.body };
        serde_json::from_slice(body).map_err(|error| {
            Failure::new(what, format!("the answer cannot be read: {error}"))
                .next("check that client and platform are of one version: `danbi doctor`")
        })
    }
}

fn at(endpoint: &Uri, path: &str) -> String {
    let scheme = endpoint.scheme_str().unwrap_or("http");
    let authority = endpoint
        .authority()
        .map(http::uri::Authority::as_str)
        .unwrap_or_default();
    format!("{scheme}://{authority}{path}")
}

/// Percent-encodes a path segment or query value.
pub fn encode(text: &str) -> String {
    danbi_core::uri::encode(text, danbi_core::uri::RESERVED)
}

/// The innermost reason of an error of the HTTP client: its outer ones say only `client error`.
fn explain(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn full(body: Bytes) -> RequestBody {
    Full::new(body).boxed_unsync()
}

fn counted(body: Bytes, bar: ProgressBar) -> RequestBody {
    let pieces = (0..body.len()).step_by(PIECE).map(move |start| {
        let piece = body.slice(start..(start + PIECE).min(body.len()));
        bar.inc(piece.len() as u64);
        Ok::<_, Infallible>(Frame::data(piece))
    });
    StreamBody::new(futures_util::stream::iter(pieces)).boxed_unsync()
}
