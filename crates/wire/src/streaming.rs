use danbi_core::{Body, empty_body};
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// A `blob` member that the model streams: the body of a request or a response, read while it arrives or leaves.
///
/// It can be taken once. The lock only makes it shareable between threads; nothing waits on it.
#[derive(Default)]
pub struct StreamingBlob(Mutex<Option<Body>>);

impl StreamingBlob {
    /// The body; empty when there was none or it was taken before.
    pub fn take(&mut self) -> Body {
        let slot = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        slot.take().unwrap_or_else(empty_body)
    }
}

impl From<Body> for StreamingBlob {
    fn from(body: Body) -> Self {
        Self(Mutex::new(Some(body)))
    }
}

impl fmt::Debug for StreamingBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamingBlob")
    }
}
