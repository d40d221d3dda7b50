//! The requests to the remote, over the HTTP client that the platform has anyway.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Plain;
use hyper_util::rt::TokioExecutor;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
    HttpService,
};
use tokio::time::{Instant, Sleep, sleep, timeout};

const CONNECT_TIME_OUT: Duration = Duration::from_secs(10);
/// From the first byte of a request to the headers of its answer: the sending of a part lies between.
const ANSWER_TIME_OUT: Duration = Duration::from_secs(120);
/// Between two pieces of an answer.
const STALL_TIME_OUT: Duration = Duration::from_secs(30);
/// Kept connections that are idle.
const IDLE_CONNECTIONS: usize = 32;

/// Makes the one client there is.
#[derive(Debug)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        // The one provider that is compiled in; another part of the process may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut plain = Plain::new();
        plain.set_connect_timeout(Some(CONNECT_TIME_OUT));
        plain.set_nodelay(true);
        plain.enforce_http(false);
        let builder = HttpsConnectorBuilder::new().with_native_roots();
        let builder = builder.map_err(|error| object_store::Error::Generic {
            store: "S3",
            source: Box::new(error),
        })?;
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(builder.https_or_http().enable_http1().wrap_connector(plain));
        Ok(HttpClient::new(Requests(client)))
    }
}

#[derive(Debug)]
struct Requests(Client<HttpsConnector<Plain>, HttpRequestBody>);

#[async_trait]
impl HttpService for Requests {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = timeout(ANSWER_TIME_OUT, self.0.request(request)).await;
        let answer = answer.map_err(|late| HttpError::new(HttpErrorKind::Timeout, late))?;
        let (parts, body) = answer
            .map_err(|error| {
                let kind = if error.is_connect() {
                    HttpErrorKind::Connect
                } else {
                    kind(&error)
                };
                HttpError::new(kind, error)
            })?
            .into_parts();
        let body = Watched {
            body,
            stall: Box::pin(sleep(STALL_TIME_OUT)),
        };
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}

/// What went wrong, which decides whether a request may be sent again.
fn kind(error: &(dyn std::error::Error + 'static)) -> HttpErrorKind {
    let mut looked_at = Some(error);
    while let Some(error) = looked_at {
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && (error.is_closed()
                || error.is_canceled()
                || error.is_incomplete_message()
                || error.is_body_write_aborted())
        {
            return HttpErrorKind::Request;
        }
        if error.is::<std::io::Error>() {
            return HttpErrorKind::Interrupted;
        }
        looked_at = error.source();
    }
    HttpErrorKind::Unknown
}

/// An answer's body that may not stall.
struct Watched {
    body: Incoming,
    stall: Pin<Box<Sleep>>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.stall.as_mut().reset(Instant::now() + STALL_TIME_OUT);
            return Poll::Ready(
                frame.map(|frame| frame.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))),
            );
        }
        self.stall.as_mut().poll(context).map(|()| {
            let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
            Some(Err(HttpError::new(HttpErrorKind::Timeout, late)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
