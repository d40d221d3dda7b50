//! How long a peer may keep the gateway waiting, as types: each limit is one value with one name.

use bytes::Bytes;
use danbi_core::{Body, BodyError};
use http_body::{Frame, SizeHint};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// What one peer may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A connection must have sent the whole header of its (next) request within this time.
    pub header_timeout: Duration,
    /// A request body must bring at least one frame within this time.
    pub body_stall_timeout: Duration,
    /// Bytes in the header of a request; a larger one is answered 431. AWS's own limit for an app is 10,240.
    pub max_header_bytes: u32,
    /// Header fields in a request.
    pub max_headers: usize,
    /// Connections served at the same time; further ones wait in the listen queue.
    pub max_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(30),
            body_stall_timeout: Duration::from_secs(30),
            max_header_bytes: 64 * 1024,
            max_headers: 200,
            max_connections: 16_384,
        }
    }
}

/// A request body that fails instead of waiting for ever when its sender stalls.
pub struct Unstalled {
    inner: Body,
    stall: Duration,
    timer: Pin<Box<Sleep>>,
    waiting: bool,
}

impl Unstalled {
    /// Fails `inner` once it brings nothing for `stall`.
    pub fn new(inner: Body, stall: Duration) -> Self {
        Self {
            inner,
            stall,
            timer: Box::pin(sleep(stall)),
            waiting: false,
        }
    }
}

/// The sender of a body stopped sending.
#[derive(Debug, thiserror::Error)]
#[error("the request body brought nothing for {0:?}")]
pub struct Stalled(Duration);

impl http_body::Body for Unstalled {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            self.waiting = false;
            return Poll::Ready(frame);
        }
        if !self.waiting {
            self.waiting = true;
            let deadline = Instant::now() + self.stall;
            self.timer.as_mut().reset(deadline);
        }
        match self.timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(Box::new(Stalled(self.stall))))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, StreamBody};

    #[tokio::test(start_paused = true)]
    async fn a_stalled_body_fails_and_a_slow_one_does_not() {
        let beats = futures_util::stream::unfold(0, |n| async move {
            sleep(Duration::from_secs(if n < 3 { 20 } else { 3600 })).await;
            Some((Ok::<_, BodyError>(Frame::data(Bytes::from_static(b"x"))), n + 1))
        });
        let mut body = Unstalled::new(StreamBody::new(beats).boxed_unsync(), Duration::from_secs(30));
        for _ in 0..3 {
            assert!(body.frame().await.unwrap().is_ok());
        }
        assert!(body.frame().await.unwrap().unwrap_err().to_string().contains("30s"));
    }
}
