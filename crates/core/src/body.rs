use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};

/// A body that arrives or leaves in pieces; used for requests and responses alike, so that nothing has to be held whole.
pub type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, BodyError>;

/// Why a [`Body`] broke off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A [`Body`] that holds `bytes`, known whole.
pub fn full_body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A [`Body`] without content.
pub fn empty_body() -> Body {
    full_body(Bytes::new())
}

/// Why a body could not be read whole.
#[derive(Debug, thiserror::Error)]
pub enum ReadBodyError {
    /// It has more bytes than were asked for; what follows was not read.
    #[error("the body has more than {0} bytes")]
    TooLarge(usize),
    /// It broke off.
    #[error("the body broke off: {0}")]
    Broken(BodyError),
}

/// Reads a body that may have at most `limit` bytes; trailers are passed over.
///
/// # Errors
/// [`ReadBodyError`]: too large, or broken off.
pub async fn read_body(mut body: Body, limit: usize) -> Result<Bytes, ReadBodyError> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(ReadBodyError::Broken)?.into_data() else {
            continue;
        };
        if first.len() + whole.len() + data.len() > limit {
            return Err(ReadBodyError::TooLarge(limit));
        }
        // A body in one piece, the common case, is handed on without a copy.
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}
