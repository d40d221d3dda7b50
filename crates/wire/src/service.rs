use crate::handler::{AccessOf, Answer, Call, Completion, FormHandler, Registered, admit, authorize, encode};
use crate::model::Member;
use crate::{
    CrossOrigin, EventStream, FormRequest, LazyModel, Operation, ResponseParts, StreamOperation, Value, direct_json,
    validate,
};
use bytes::Bytes;
use danbi_core::{Access, RequestContext, ServiceError};
use futures_util::StreamExt;
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
    pub(crate) anonymous: bool,
    pub(crate) cross_origin: Option<Arc<dyn CrossOrigin>>,
    pub(crate) form: Option<Form>,
    pub(crate) refused_first: RefusedFirst,
}

/// What a service refuses of an operation's decoded input before the model's constraints are looked at.
pub(crate) type RefusedFirst = fn(&str, &Value) -> Option<ServiceError>;

/// What takes posted forms, and the largest of them in bytes.
pub(crate) struct Form {
    pub(crate) handler: FormHandler,
    pub(crate) limit: u64,
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
                anonymous: false,
                cross_origin: None,
                form: None,
                refused_first: |_, _| None,
            },
            refusal: |_| None,
            complete: |_, _, _| None,
        }
    }

    /// Holds the decoded input of `operation` against what the service, and then the model, asks of it.
    ///
    /// # Errors
    /// The service's own error for validation, in AWS's words.
    pub(crate) fn validate(&self, operation: &str, member: &Member, input: &Value) -> Result<(), ServiceError> {
        if let Some(refusal) = (self.refused_first)(operation, input) {
            return Err(refusal);
        }
        if self.model.judges_itself {
            return Ok(());
        }
        let refused = |message| ServiceError::client(self.model.code_of_validation(), 400, message);
        validate::validate(self.model.get(), member, input).map_err(refused)
    }
}

/// Collects the operations of a service.
pub struct ServiceBuilder<S> {
    state: Arc<S>,
    service: Service,
    refusal: direct_json::Refusal,
    complete: Completion<S>,
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

    /// Lets requests without a signature in, as those of [`danbi_core::Principal::Anonymous`]: the authorizer decides what
    /// nobody may do. Unsigned requests that belong to no other service come here. Every other service refuses them.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.service.anonymous = true;
        self
    }

    /// Builds `operation`.
    ///
    /// `access` says from the input which action on which resource the request asks for: one [`Access`], or a `Vec` of
    /// them that must all be allowed. The authorizer is asked before the handler runs. `handler` is an
    /// `async fn(Arc<S>, RequestContext, Input) -> Result<Output, E>`; its error becomes a [`ServiceError`].
    ///
    /// A body that the model streams ([`Operation::request_body`]) is in the input as it arrives, without `aws-chunked`
    /// framing, and breaks off with a [`ServiceError`] (see [`ServiceError::of_body`]) when it is not what was signed,
    /// not as long as declared, or past the operation's limit; announced trailers come as its last frame. **Nothing read
    /// from it may be acted upon before it has ended without error.**
    #[must_use]
    pub fn on<O, A, Fut, E>(
        mut self,
        _operation: O,
        access: AccessOf<S, O, A>,
        handler: fn(Arc<S>, RequestContext, O::Input) -> Fut,
    ) -> Self
    where
        O: Operation,
        A: IntoIterator<Item = Access> + 'static,
        Fut: Future<Output = Result<O::Output, E>> + Send + 'static,
        E: Into<ServiceError> + Send + 'static,
    {
        let state = self.state.clone();
        self.register(
            O::NAME,
            Call::Modelled(Box::new(move |context, incoming, authorizer| {
                let state = state.clone();
                Box::pin(async move {
                    let (input, accesses) = admit::<O, S, A>(&state, &context, incoming, access)?;
                    authorize(&context, &accesses, &*authorizer).await?;
                    let output = handler(state, context, input).await.map_err(Into::into)?;
                    Answer::of::<O>(output, ResponseParts::default())
                })
            })),
        );
        self
    }

    /// Builds an operation whose handler also says what the model has no place for: another status, further headers.
    #[must_use]
    pub fn on_parts<O, A, Fut, E>(
        mut self,
        _operation: O,
        access: AccessOf<S, O, A>,
        handler: fn(Arc<S>, RequestContext, O::Input) -> Fut,
    ) -> Self
    where
        O: Operation,
        A: IntoIterator<Item = Access> + 'static,
        Fut: Future<Output = Result<(O::Output, ResponseParts), E>> + Send + 'static,
        E: Into<ServiceError> + Send + 'static,
    {
        let state = self.state.clone();
        self.register(
            O::NAME,
            Call::Modelled(Box::new(move |context, incoming, authorizer| {
                let state = state.clone();
                Box::pin(async move {
                    let (input, accesses) = admit::<O, S, A>(&state, &context, incoming, access)?;
                    authorize(&context, &accesses, &*authorizer).await?;
                    let (output, parts) = handler(state, context, input).await.map_err(Into::into)?;
                    Answer::of::<O>(output, parts)
                })
            })),
        );
        self
    }

    /// Builds an operation whose response is an event stream. The handler returns the output's other members and the
    /// events; the response starts at once and each event is sent when the stream yields it.
    #[must_use]
    pub fn on_stream<O, A, Fut, E>(
        mut self,
        _operation: O,
        access: AccessOf<S, O, A>,
        handler: fn(Arc<S>, RequestContext, O::Input) -> Fut,
    ) -> Self
    where
        O: StreamOperation,
        A: IntoIterator<Item = Access> + 'static,
        Fut: Future<Output = Result<(O::Output, EventStream<O::Event>), E>> + Send + 'static,
        E: Into<ServiceError> + Send + 'static,
    {
        let state = self.state.clone();
        self.register(
            O::NAME,
            Call::Modelled(Box::new(move |context, incoming, authorizer| {
                let state = state.clone();
                Box::pin(async move {
                    let (input, accesses) = admit::<O, S, A>(&state, &context, incoming, access)?;
                    authorize(&context, &accesses, &*authorizer).await?;
                    let (output, events) = handler(state, context, input).await.map_err(Into::into)?;
                    let events = events.map(|event| event.and_then(|event| encode::<O, _>(&event)));
                    let mut answer = Answer::of::<O>(output, ResponseParts::default())?;
                    answer.events = Some(Box::pin(events));
                    Ok(answer)
                })
            })),
        );
        self
    }

    /// How the service's own types word what they refuse while JSON is read: `refusal` is given serde's message and
    /// answers `None` for what is not theirs. Holds for the operations that [`ServiceBuilder::on_json`] builds after it.
    #[must_use]
    pub fn json_refusals(mut self, refusal: fn(&str) -> Option<ServiceError>) -> Self {
        self.refusal = refusal;
        self
    }

    /// What the service refuses of an operation's decoded input before the model's constraints are looked at, and alone.
    /// Operations that [`ServiceBuilder::on_json`] builds judge everything themselves.
    #[must_use]
    pub fn refused_first(mut self, refusal: fn(&str, &Value) -> Option<ServiceError>) -> Self {
        self.service.refused_first = refusal;
        self
    }

    /// Adds to the accesses of an operation what only the service's records say, before the authorizer is asked. Holds
    /// for the operations that [`ServiceBuilder::on_json`] builds after it; `None` where there is nothing to add.
    #[must_use]
    pub fn complete_accesses(mut self, complete: Completion<S>) -> Self {
        self.complete = complete;
        self
    }

    /// Builds an operation of an awsJson service without the value tree: serde reads the body into the input and writes
    /// the output, and nothing is validated over the model, because the handler judges every member itself. Malformed
    /// JSON, and JSON of other types than the input's, is `SerializationException`. What is written is what the types'
    /// `Serialize` says, so a timestamp must be an [`EpochSeconds`](crate::EpochSeconds).
    #[must_use]
    pub fn on_json<O, A, Fut, E>(
        mut self,
        _operation: O,
        access: AccessOf<S, O, A>,
        handler: fn(Arc<S>, RequestContext, O::Input) -> Fut,
    ) -> Self
    where
        O: Operation,
        A: IntoIterator<Item = Access> + 'static,
        Fut: Future<Output = Result<O::Output, E>> + Send + 'static,
        E: Into<ServiceError> + Send + 'static,
    {
        let (state, refusal, complete) = (self.state.clone(), self.refusal, self.complete);
        self.register(
            O::NAME,
            Call::Json(Box::new(move |context, body, authorizer| {
                let state = state.clone();
                Box::pin(async move {
                    let input = direct_json::decode::<O>(&body, refusal)?;
                    drop(body);
                    let mut accesses: Vec<Access> = access(&state, &context, &input)?.into_iter().collect();
                    if let Some(completion) = complete(&state, &context, &mut accesses) {
                        completion.await?;
                    }
                    authorize(&context, &accesses, &*authorizer).await?;
                    let output = handler(state, context, input).await.map_err(Into::into)?;
                    direct_json::encode::<O>(&output)
                })
            })),
        );
        self
    }

    /// Lets `rules` answer preflights, and add headers to every answer to a request across origins.
    #[must_use]
    pub fn cross_origin(mut self, rules: Arc<dyn CrossOrigin>) -> Self {
        self.service.cross_origin = Some(rules);
        self
    }

    /// Takes forms of at most `limit` bytes that are posted to a bucket. Their signature stands in the form, so
    /// `handler` is called for anybody, as [`danbi_core::Principal::Anonymous`], and must find out who asks
    /// ([`FormRequest::signer`]) and whether that one may. It answers with a document and what goes with it.
    #[must_use]
    pub fn on_form<Fut, E>(mut self, limit: u64, handler: fn(Arc<S>, RequestContext, FormRequest) -> Fut) -> Self
    where
        Fut: Future<Output = Result<(Bytes, ResponseParts), E>> + Send + 'static,
        E: Into<ServiceError> + Send + 'static,
    {
        let state = self.state.clone();
        let handler: FormHandler = Box::new(move |context, form| {
            let future = handler(state.clone(), context, form);
            Box::pin(async move { future.await.map_err(Into::into) })
        });
        self.service.form = Some(Form { handler, limit });
        self
    }

    /// The finished service.
    pub fn build(self) -> Service {
        self.service
    }

    fn register(&mut self, name: &'static str, call: Call) {
        self.service
            .operations
            .insert(name, Registered { call, body_limit: None });
    }
}
