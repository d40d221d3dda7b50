use crate::value::{self, Value};
use crate::{EventStream, LazyModel, Operation, StreamOperation};
use danbi_core::{Access, Authorizer, RequestContext, ServiceError};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

/// The largest request body of a service that does not say otherwise: 10 MiB.
pub const DEFAULT_BODY_LIMIT: usize = 10 * 1024 * 1024;

/// One AWS service: its model and the operations that are built.
pub struct Service {
    pub(crate) model: &'static LazyModel,
    pub(crate) operations: BTreeMap<&'static str, Registered>,
    pub(crate) body_limit: usize,
}

/// A built operation, its types erased.
pub(crate) struct Registered {
    pub(crate) call: Handler,
    pub(crate) body_limit: Option<usize>,
}

/// Decodes the typed input, asks the authorizer, runs the handler.
pub(crate) type Handler = Box<
    dyn Fn(RequestContext, Value, Arc<dyn Authorizer>) -> BoxFuture<'static, Result<Answer, ServiceError>>
        + Send
        + Sync,
>;

/// What a handler answered.
pub(crate) struct Answer {
    pub(crate) output: Value,
    pub(crate) events: Option<EventStream<Value>>,
}

impl Service {
    /// Starts the table of operations of the service that `model` describes; every handler gets `state`.
    pub fn builder<S: Send + Sync + 'static>(model: &'static LazyModel, state: Arc<S>) -> ServiceBuilder<S> {
        ServiceBuilder {
            state,
            service: Self {
                model,
                operations: BTreeMap::new(),
                body_limit: DEFAULT_BODY_LIMIT,
            },
        }
    }
}

/// Collects the operations of a service.
pub struct ServiceBuilder<S> {
    state: Arc<S>,
    service: Service,
}

impl<S: Send + Sync + 'static> ServiceBuilder<S> {
    /// The largest body, in bytes, of any request to this service; larger ones are refused unread with 413.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.service.body_limit = bytes;
        self
    }

    /// The largest body, in bytes, of requests to `operation` alone.
    #[must_use]
    pub fn body_limit_of<O: Operation>(mut self, _operation: O, bytes: usize) -> Self {
        if let Some(registered) = self.service.operations.get_mut(O::NAME) {
            registered.body_limit = Some(bytes);
        }
        self
    }

    /// Builds `operation`.
    ///
    /// `access` says from the input which action on which resource the request asks for; the authorizer is asked before
    /// the handler runs. `handler` is an `async fn(Arc<S>, RequestContext, Input) -> Result<Output, E>`; its error
    /// becomes a [`ServiceError`].
    #[must_use]
    pub fn on<O, Fut, E>(
        mut self,
        _operation: O,
        access: fn(&S, &RequestContext, &O::Input) -> Result<Access, ServiceError>,
        handler: fn(Arc<S>, RequestContext, O::Input) -> Fut,
    ) -> Self
    where
        O: Operation,
        Fut: Future<Output = Result<O::Output, E>> + Send + 'static,
        E: Into<ServiceError> + Send + 'static,
    {
        let state = self.state.clone();
        self.register(
            O::NAME,
            Box::new(move |context, input, authorizer| {
                let state = state.clone();
                Box::pin(async move {
                    let input = admit::<O, S>(&state, &context, input, authorizer, access).await?;
                    let output = handler(state, context, input).await.map_err(Into::into)?;
                    Ok(Answer {
                        output: encode::<O, _>(&output)?,
                        events: None,
                    })
                })
            }),
        );
        self
    }

    /// Builds an operation whose response is an event stream. The handler returns the output's other members and the
    /// events; the response starts at once and each event is sent when the stream yields it.
    #[must_use]
    pub fn on_stream<O, Fut, E>(
        mut self,
        _operation: O,
        access: fn(&S, &RequestContext, &O::Input) -> Result<Access, ServiceError>,
        handler: fn(Arc<S>, RequestContext, O::Input) -> Fut,
    ) -> Self
    where
        O: StreamOperation,
        Fut: Future<Output = Result<(O::Output, EventStream<O::Event>), E>> + Send + 'static,
        E: Into<ServiceError> + Send + 'static,
    {
        let state = self.state.clone();
        self.register(
            O::NAME,
            Box::new(move |context, input, authorizer| {
                let state = state.clone();
                Box::pin(async move {
                    let input = admit::<O, S>(&state, &context, input, authorizer, access).await?;
                    let (output, events) = handler(state, context, input).await.map_err(Into::into)?;
                    let events = events.map(|event| event.and_then(|event| encode::<O, _>(&event)));
                    Ok(Answer {
                        output: encode::<O, _>(&output)?,
                        events: Some(Box::pin(events)),
                    })
                })
            }),
        );
        self
    }

    /// The finished service.
    pub fn build(self) -> Service {
        self.service
    }

    fn register(&mut self, name: &'static str, call: Handler) {
        self.service
            .operations
            .insert(name, Registered { call, body_limit: None });
    }
}

/// Decodes the input and asks for permission.
async fn admit<O: Operation, S>(
    state: &S,
    context: &RequestContext,
    input: Value,
    authorizer: Arc<dyn Authorizer>,
    access: fn(&S, &RequestContext, &O::Input) -> Result<Access, ServiceError>,
) -> Result<O::Input, ServiceError> {
    let input: O::Input = value::from_value(input)
        .map_err(|error| ServiceError::client("SerializationException", 400, error.to_string()))?;
    let access = access(state, context, &input)?;
    authorizer.authorize(context, &access).await?;
    Ok(input)
}

fn encode<O: Operation, T: serde::Serialize>(typed: &T) -> Result<Value, ServiceError> {
    value::to_value(typed).map_err(|error| {
        tracing::error!(operation = O::NAME, %error, "a handler's answer does not fit its model");
        ServiceError::server(
            "InternalFailure",
            500,
            "The request processing has failed because of an internal error.",
        )
    })
}
