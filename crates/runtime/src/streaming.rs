//! A streamed answer as callers get it: the prelude taken off, the rest as a body.

use crate::environment::Streaming;
use crate::{Outcome, StreamEnd, StreamingOutcome};
use bytes::{Bytes, BytesMut};
use danbi_core::{Body, BodyError, empty_body, full_body};
use http_body::Frame;
use http_body_util::BodyExt;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};

/// The content type of an answer that begins with status and headers.
const HTTP_INTEGRATION: &str = "application/vnd.awslambda.http-integration-response";
/// What parts the prelude from the body.
const DELIMITER: [u8; 8] = [0; 8];
/// The longest prelude; headers of a response are limited to far less.
const MAX_PRELUDE: usize = 256 * 1024;

/// An answer that was not streamed.
pub(crate) fn whole(outcome: Outcome) -> StreamingOutcome {
    let Outcome {
        payload,
        function_error,
        log_tail,
        usage,
    } = outcome;
    let failed = function_error.is_some();
    let (sender, end) = oneshot::channel();
    let error_details = failed.then(|| String::from_utf8_lossy(&payload).into_owned());
    let error_code = function_error.map(str::to_owned);
    // The receiver is in this very function.
    let _ = sender.send(StreamEnd {
        error_code,
        error_details,
        log_tail,
        usage,
    });
    let body = if failed { empty_body() } else { full_body(payload) };
    StreamingOutcome {
        content_type: "application/json".to_owned(),
        prelude: None,
        body,
        failed,
        end,
    }
}

/// An answer in pieces. Waits for the prelude when there is one.
pub(crate) async fn pieces(streaming: Streaming) -> StreamingOutcome {
    let Streaming {
        content_type,
        mut chunks,
        end,
    } = streaming;
    let content_type = content_type.unwrap_or_else(|| "application/octet-stream".to_owned());
    let (prelude, first) = if content_type.starts_with(HTTP_INTEGRATION) {
        split_prelude(&mut chunks).await
    } else {
        (None, None)
    };
    let body = Body::new(Pieces { first, chunks }.map_err(|never| match never {}));
    StreamingOutcome {
        content_type,
        prelude,
        body,
        failed: false,
        end,
    }
}

async fn split_prelude(chunks: &mut mpsc::Receiver<Bytes>) -> (Option<Bytes>, Option<Bytes>) {
    let mut head = BytesMut::new();
    while let Some(chunk) = chunks.recv().await {
        let searched = head.len().saturating_sub(DELIMITER.len() - 1);
        head.extend_from_slice(&chunk);
        if let Some(at) = head[searched..]
            .windows(DELIMITER.len())
            .position(|window| window == DELIMITER)
        {
            let prelude = head.split_to(searched + at).freeze();
            let rest = head.split_off(DELIMITER.len()).freeze();
            return (Some(prelude), (!rest.is_empty()).then_some(rest));
        }
        if head.len() > MAX_PRELUDE {
            break;
        }
    }
    (None, (!head.is_empty()).then(|| head.freeze()))
}

struct Pieces {
    first: Option<Bytes>,
    chunks: mpsc::Receiver<Bytes>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        self.chunks
            .poll_recv(cx)
            .map(|chunk| chunk.map(|data| Ok(Frame::data(data))))
    }
}

// `Body::new` wants an error type that converts; an infallible one is mapped away above.
const _: fn(std::convert::Infallible) -> BodyError = |never| match never {};

#[cfg(test)]
mod tests {
    use super::*;

    async fn outcome(content_type: &str, parts: &[&'static [u8]]) -> (Option<Bytes>, Bytes) {
        let (sender, chunks) = mpsc::channel(16);
        let (_end, end) = oneshot::channel();
        for part in parts {
            sender.send(Bytes::from_static(part)).await.unwrap();
        }
        drop(sender);
        let outcome = pieces(Streaming {
            content_type: Some(content_type.to_owned()),
            chunks,
            end,
        })
        .await;
        (outcome.prelude, outcome.body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn the_prelude_is_found_wherever_the_chunks_fall() {
        let (prelude, body) = outcome(
            HTTP_INTEGRATION,
            &[b"{\"statusCode\":201}\0\0\0", b"\0\0\0\0\0bo", b"dy"],
        )
        .await;
        assert_eq!(prelude.unwrap(), "{\"statusCode\":201}");
        assert_eq!(body, "body");
    }

    #[tokio::test]
    async fn an_answer_without_a_prelude_is_left_alone() {
        assert_eq!(
            outcome("text/plain", &[b"a\0\0\0\0\0\0\0\0b"]).await,
            (None, Bytes::from_static(b"a\0\0\0\0\0\0\0\0b"))
        );
        assert_eq!(
            outcome(HTTP_INTEGRATION, &[b"no delimiter"]).await,
            (None, Bytes::from_static(b"no delimiter"))
        );
    }
}
