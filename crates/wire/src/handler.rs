//! A built operation with its types erased: what the dispatcher calls.

use crate::value::{self, Value};
use crate::{EventStream, FormRequest, Operation};
use bytes::Bytes;
use danbi_core::{Access, Authorizer, Body, RequestContext, ServiceError};
use futures_util::future::BoxFuture;
use http::HeaderMap;
use std::sync::Arc;

/// What an answer carries that its model has no place for. Headers named here replace those of the output.
#[derive(Debug, Clone, Default)]
pub struct ResponseParts {
    /// The status, when not the model's: 206 for a range, 304 for what the client has.
    pub status: Option<u16>,
    /// Further headers.
    pub headers: HeaderMap,
}

impl ResponseParts {
    /// An answer with this status.
    pub fn status(status: u16) -> Self {
        Self {
            status: Some(status),
            ..Self::default()
        }
    }

    /// Sets a header. One that HTTP cannot carry is left out and told to the log.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        set_header(&mut self.headers, name, value);
        self
    }
}

/// Sets a header, unless HTTP cannot carry it.
pub(crate) fn set_header(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = http::HeaderName::from_bytes(name.as_bytes());
    match (name, http::HeaderValue::from_bytes(value.as_bytes())) {
        (Ok(name), Ok(value)) => {
            headers.insert(name, value);
        }
        _ => tracing::warn!("a header cannot be sent and is left out"),
    }
}

/// What a request carries, decoded over the model, and the body when the model streams it.
pub(crate) struct Incoming {
    pub(crate) input: Value,
    pub(crate) body: Option<Body>,
}

/// What a handler answered.
pub(crate) struct Answer {
    pub(crate) output: Value,
    pub(crate) events: Option<EventStream<Value>>,
    pub(crate) body: Option<Body>,
    pub(crate) parts: ResponseParts,
}

impl Answer {
    pub(crate) fn of<O: Operation>(mut output: O::Output, parts: ResponseParts) -> Result<Self, ServiceError> {
        let body = O::response_body(&mut output).map(crate::StreamingBlob::take);
        Ok(Self {
            output: encode::<O, _>(&output)?,
            events: None,
            body,
            parts,
        })
    }
}

/// A built operation. Each decodes the typed input, asks the authorizer, and runs the handler.
pub(crate) struct Registered {
    pub(crate) call: Call,
    pub(crate) body_limit: Option<usize>,
}

/// Takes a posted form, and says who is refused by itself, because who asks stands in the form.
pub(crate) type FormHandler = Box<
    dyn Fn(RequestContext, FormRequest) -> BoxFuture<'static, Result<(Bytes, ResponseParts), ServiceError>>
        + Send
        + Sync,
>;

type Handler<I, A> =
    Box<dyn Fn(RequestContext, I, Arc<dyn Authorizer>) -> BoxFuture<'static, Result<A, ServiceError>> + Send + Sync>;

/// How an operation takes its input.
pub(crate) enum Call {
    /// Decoded over the model.
    Modelled(Handler<Incoming, Answer>),
    /// The JSON document itself, answered with one; see [`crate::ServiceBuilder::on_json`].
    Json(Handler<Bytes, Bytes>),
}

/// The access function of an operation.
pub(crate) type AccessOf<S, O, A> = fn(&S, &RequestContext, &<O as Operation>::Input) -> Result<A, ServiceError>;

/// Decodes the input, and says what it asks for. All that an operation's types need is here, away from the futures, so
/// that the hundreds of operations do not each have a copy of the waiting too.
pub(crate) fn admit<O, S, A>(
    state: &S,
    context: &RequestContext,
    incoming: Incoming,
    access: AccessOf<S, O, A>,
) -> Result<(O::Input, Vec<Access>), ServiceError>
where
    O: Operation,
    A: IntoIterator<Item = Access>,
{
    let mut input: O::Input = value::from_value(incoming.input)
        .map_err(|error| ServiceError::client("SerializationException", 400, error.to_string()))?;
    if let (Some(body), Some(slot)) = (incoming.body, O::request_body(&mut input)) {
        *slot = body.into();
    }
    let accesses = access(state, context, &input)?.into_iter().collect();
    Ok((input, accesses))
}

/// Adds to accesses what only the service's records say; `None` when there is nothing to add.
pub(crate) type Completion<S> =
    for<'a> fn(&'a S, &'a RequestContext, &'a mut [Access]) -> Option<BoxFuture<'a, Result<(), ServiceError>>>;

/// Asks for every access; the first refusal counts.
pub(crate) async fn authorize(
    context: &RequestContext,
    accesses: &[Access],
    authorizer: &dyn Authorizer,
) -> Result<(), ServiceError> {
    for access in accesses {
        authorizer.authorize(context, access).await?;
    }
    Ok(())
}

pub(crate) fn encode<O: Operation, T: serde::Serialize>(typed: &T) -> Result<Value, ServiceError> {
    value::to_value(typed).map_err(|error| does_not_fit(O::NAME, &error))
}

pub(crate) fn does_not_fit(operation: &str, error: &dyn std::fmt::Display) -> ServiceError {
    tracing::error!(operation, %error, "a handler's answer does not fit its model");
    ServiceError::server(
        "InternalFailure",
        500,
        "The request processing has failed because of an internal error.",
    )
}
