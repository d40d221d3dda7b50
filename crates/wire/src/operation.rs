use crate::StreamingBlob;
use danbi_core::ServiceError;
use futures_util::Stream;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::pin::Pin;

/// One operation of a service, as its model knows it. Implemented by the generated marker types.
pub trait Operation: Send + Sync + 'static {
    /// The name in the model, such as `CreateFunction`.
    const NAME: &'static str;
    /// What the request carries.
    type Input: DeserializeOwned + Send + Sync + 'static;
    /// What a successful response carries.
    type Output: Serialize + Send + 'static;

    /// Where the input keeps the request's body when the model streams it; `None` when it is decoded whole.
    fn request_body(_input: &mut Self::Input) -> Option<&mut StreamingBlob> {
        None
    }

    /// Where the output keeps the response's body when the model streams it; `None` when it is encoded whole.
    fn response_body(_output: &mut Self::Output) -> Option<&mut StreamingBlob> {
        None
    }
}

/// An operation whose response is an event stream (`application/vnd.amazon.eventstream`).
pub trait StreamOperation: Operation {
    /// One event: an enum with a variant for each kind.
    type Event: Serialize + Send + 'static;
}

/// The events of a response, sent as they come. An `Err` is sent as the stream's exception and ends it.
pub type EventStream<E> = Pin<Box<dyn Stream<Item = Result<E, ServiceError>> + Send>>;

/// The input or output of an operation that has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}
