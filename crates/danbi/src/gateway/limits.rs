//! How long a peer may keep the gateway waiting, as types: each limit is one value with one name.

use bytes::Bytes;
use danbi_core::{Body, BodyError, ServiceError};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep};

/// What one peer may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A connection must have sent the whole header of its first request within this time.
    pub header_timeout: Duration,
    /// And of each further one within this time of the answer before: longer than the half minute, or minute, for which
    /// clients like to wait between two requests on a connection that they keep.
    pub idle_timeout: Duration,
    /// A request body must bring at least one frame within this time.
    pub body_stall_timeout: Duration,
    /// A client that closed its side of the connection is given this long for its answer; afterwards it has left.
    pub half_closed_timeout: Duration,
    /// Bytes in the header of a request; a larger one is answered 431. AWS's own limit for an app is 10,240.
    pub max_header_bytes: u32,
    /// Header fields in a request; one of more is answered 431. As many as hyper reads without asking for memory.
    pub max_headers: usize,
    /// Bytes of a request body that are read on behalf of a handler that did not want them, to keep the connection.
    pub max_discarded_bytes: usize,
    /// That rest must come within this time, else the answer goes out without it and is the connection's last.
    pub discard_timeout: Duration,
    /// After a last answer to a client that still sends, its connection is read on for at most this time …
    pub lingering_timeout: Duration,
    /// … and at most so many bytes, so that the answer is not lost in a reset.
    pub max_lingering_bytes: usize,
    /// Connections served at the same time; further ones wait in the listen queue.
    pub max_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            body_stall_timeout: Duration::from_secs(30),
            half_closed_timeout: Duration::from_secs(5),
            max_header_bytes: 64 * 1024,
            max_headers: 100,
            max_discarded_bytes: 256 * 1024,
            discard_timeout: Duration::from_secs(1),
            lingering_timeout: Duration::from_secs(10),
            max_lingering_bytes: 32 << 20,
            max_connections: 16_384,
        }
    }
}

/// Lets this process have as many files open as the machine's owner allows it: every connection costs one, and the
/// usual 1,024 would be gone long before [`Limits::max_connections`], for the store as well.
pub fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

/// A request body that fails instead of waiting for ever when its sender stalls, and that hands on what is left of it
/// when it is dropped before its end.
pub struct Unstalled {
    inner: Option<Body>,
    stall: Duration,
    /// Made when there is first something to wait for: most bodies have come with their header.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    leftover: Option<oneshot::Sender<Body>>,
}

impl Unstalled {
    /// Fails `inner` once it brings nothing for `stall`; the receiver gets what its reader did not want.
    pub fn new(inner: Body, stall: Duration) -> (Self, oneshot::Receiver<Body>) {
        let (leftover, left) = oneshot::channel();
        (
            Self {
                inner: Some(inner),
                stall,
                timer: None,
                waiting: false,
                leftover: Some(leftover),
            },
            left,
        )
    }
}

impl Drop for Unstalled {
    fn drop(&mut self) {
        if let (Some(inner), Some(leftover)) = (self.inner.take(), self.leftover.take())
            && !inner.is_end_stream()
        {
            // Nobody waits for it any more: then the connection ends with the body.
            let _ = leftover.send(inner);
        }
    }
}

/// Reads what a handler left of a request's body, so that the connection can be used again. `false` when it is more
/// than `limit` bytes, breaks off, or does not come within `wait`: then the connection must close.
pub async fn discard(mut body: Body, limit: usize, wait: Duration) -> bool {
    let all = async {
        let mut seen = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > limit {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(wait, all).await.unwrap_or(false)
}

/// The sender of a body stopped sending: what S3 answers then. Services that read their bodies whole word it themselves.
fn stalled() -> ServiceError {
    let message = "Your socket connection to the server was not read from or written to within the timeout period. Idle \
                   connections will be closed.";
    ServiceError::client("RequestTimeout", 400, message)
}

impl http_body::Body for Unstalled {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(frame) = Pin::new(inner).poll_frame(cx) {
            self.waiting = false;
            if !matches!(frame, Some(Ok(_))) {
                self.inner = None;
            }
            return Poll::Ready(frame);
        }
        let stall = self.stall;
        let began = !std::mem::replace(&mut self.waiting, true);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(stall)));
        if began {
            timer.as_mut().reset(Instant::now() + stall);
        }
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.inner = None;
                Poll::Ready(Some(Err(Box::new(stalled()))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::StreamBody;

    #[tokio::test(start_paused = true)]
    async fn a_stalled_body_fails_and_a_slow_one_does_not() {
        let beats = futures_util::stream::unfold(0, |n| async move {
            sleep(Duration::from_secs(if n < 3 { 20 } else { 3600 })).await;
            Some((Ok::<_, BodyError>(Frame::data(Bytes::from_static(b"x"))), n + 1))
        });
        let (mut body, _left) = Unstalled::new(StreamBody::new(beats).boxed_unsync(), Duration::from_secs(30));
        for _ in 0..3 {
            assert!(body.frame().await.unwrap().is_ok());
        }
        let error = body.frame().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("RequestTimeout"), "{error}");
    }
}
