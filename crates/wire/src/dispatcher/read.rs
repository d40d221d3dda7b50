//! Reading a body within its bounds.

use super::budget::Held;
use crate::sigv4::SigV4Error;
use bytes::{Bytes, BytesMut};
use danbi_core::{Body, ServiceError};
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http_body_util::BodyExt;
use std::time::Duration;

/// How long a client may pause within a body.
const BODY_IDLE: Duration = Duration::from_secs(30);
/// How long a body may take in all.
const BODY_TOTAL: Duration = Duration::from_secs(600);
/// The most memory that is set aside on the word of a `Content-Length`.
const MAX_RESERVE: usize = 1024 * 1024;

/// The whole body, when it has at most `limit` bytes and `held` has room for them.
pub(super) async fn whole(
    parts: &Parts,
    body: Body,
    held: &mut Held,
    limit: usize,
    too_large: impl Fn() -> ServiceError,
) -> Result<Bytes, ServiceError> {
    let announced = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let reading = collect(body, held, limit, announced.unwrap_or(0).min(MAX_RESERVE), too_large);
    tokio::time::timeout(BODY_TOTAL, reading)
        .await
        .unwrap_or_else(|_| Err(timed_out()))
}

async fn collect(
    mut body: Body,
    held: &mut Held,
    limit: usize,
    reserve: usize,
    too_large: impl Fn() -> ServiceError,
) -> Result<Bytes, ServiceError> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(BODY_IDLE, body.frame())
            .await
            .map_err(|_| timed_out())?;
        let data = match frame {
            None => break,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => data,
                Err(_) => continue,
            },
            Some(Err(error)) => return Err(broken(error)),
        };
        let length = first.as_ref().map_or(0, Bytes::len) + rest.len() + data.len();
        if length > limit {
            return Err(too_large());
        }
        held.grow_to(length)?;
        match &first {
            // Most bodies are one frame, which is kept as it came.
            None => first = Some(data),
            Some(head) => {
                if rest.is_empty() {
                    rest.reserve(reserve.max(head.len() + data.len()));
                    rest.extend_from_slice(head);
                    first = Some(Bytes::new());
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(if rest.is_empty() {
        first.unwrap_or_default()
    } else {
        rest.freeze()
    })
}

fn broken(error: danbi_core::BodyError) -> ServiceError {
    match error.downcast::<SigV4Error>() {
        Ok(error) => error.into_service_error(crate::sigv4::Dialect::S3),
        Err(_) => {
            let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
            ServiceError::client("IncompleteBody", 400, message)
        }
    }
}

fn timed_out() -> ServiceError {
    let message = "Your socket connection to the server was not read from or written to within the timeout period.";
    ServiceError::client("RequestTimeout", 408, message)
}
