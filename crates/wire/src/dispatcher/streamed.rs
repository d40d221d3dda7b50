//! A request body on its way to a handler that reads it while it arrives.

use crate::sigv4::{Dialect, SigV4Error};
use bytes::Bytes;
use danbi_core::{Body, BodyError, ServiceError};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Bounds `body` and words its errors: it breaks off with nothing but a [`ServiceError`].
pub(super) fn bounded(body: Body, limit: u64, too_large: ServiceError) -> Body {
    Streamed {
        inner: Some(body),
        left: limit,
        too_large: Some(too_large),
    }
    .boxed_unsync()
}

struct Streamed {
    /// None once it broke off.
    inner: Option<Body>,
    left: u64,
    too_large: Option<ServiceError>,
}

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(inner).poll_frame(cx));
        let error = match frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                match this.left.checked_sub(length) {
                    Some(left) => {
                        this.left = left;
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    None => this.too_large.take().map(Into::into),
                }
            }
            Some(Err(error)) => Some(worded(error)),
            None => None,
        };
        this.inner = None;
        Poll::Ready(error.map(Err))
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

fn worded(error: BodyError) -> BodyError {
    match error.downcast::<SigV4Error>() {
        Ok(error) => error.into_service_error(Dialect::S3).into(),
        Err(error) => ServiceError::of_body(error).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body_util::StreamBody;

    fn body(pieces: Vec<Result<&'static str, BodyError>>) -> Body {
        let frames = pieces
            .into_iter()
            .map(|piece| piece.map(|text| Frame::data(Bytes::from_static(text.as_bytes()))));
        StreamBody::new(stream::iter(frames.collect::<Vec<_>>())).boxed_unsync()
    }

    async fn end(body: Body) -> (usize, Option<ServiceError>) {
        let mut body = bounded(body, 6, ServiceError::client("EntityTooLarge", 400, "big"));
        let mut seen = 0;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => seen += frame.into_data().unwrap().len(),
                Err(error) => return (seen, Some(ServiceError::of_body(error))),
            }
        }
        (seen, None)
    }

    #[tokio::test]
    async fn it_ends_with_an_error_of_the_service() {
        assert_eq!(end(body(vec![Ok("abc"), Ok("def")])).await, (6, None));
        let code = |(seen, error): (usize, Option<ServiceError>)| (seen, error.unwrap().code);
        assert_eq!(
            code(end(body(vec![Ok("abc"), Ok("defg"), Ok("x")])).await),
            (3, "EntityTooLarge")
        );
        assert_eq!(
            code(end(body(vec![Ok("abc"), Err("gone".into())])).await),
            (3, "IncompleteBody")
        );
        let wrong = SigV4Error::ChunkMismatch;
        assert_eq!(
            code(end(body(vec![Err(wrong.into())])).await),
            (0, "SignatureDoesNotMatch")
        );
    }
}
