//! Calls from inside the platform: no signature and no codec, but the same validation, authorization and handlers.

use super::exchange::guarded;
use super::{Dispatcher, find};
use crate::handler::{Call, Incoming};
use crate::model::{Kind, Member, Model};
use crate::{Service, Value, s3, value};
use async_trait::async_trait;
use bytes::Bytes;
use danbi_core::{Api, ApiCall, Body, RequestContext, RequestId, ServiceError, full_body, read_body};
use serde_json::Value as Json;
use std::sync::{Arc, OnceLock, Weak};

/// The most bytes of a streamed answer (an object's content) that such a call hands on.
const MAX_STREAMED: usize = 16 * 1024 * 1024;

/// The member of streamed inputs that carries the body's length.
const CONTENT_LENGTH: &str = "ContentLength";

/// The [`Api`] that services are given before the dispatcher exists, which in turn needs the services.
#[derive(Default)]
pub struct ApiDoor(OnceLock<Weak<Dispatcher>>);

impl ApiDoor {
    /// Leads to `dispatcher` from now on. Only the first time counts.
    pub fn open(&self, dispatcher: &Arc<Dispatcher>) {
        self.0.get_or_init(|| Arc::downgrade(dispatcher));
    }
}

#[async_trait]
impl Api for ApiDoor {
    async fn call(&self, context: &RequestContext, call: ApiCall) -> Result<Json, ServiceError> {
        match self.0.get().and_then(Weak::upgrade) {
            Some(dispatcher) => dispatcher.call_inside(context, call).await,
            None => Err(ServiceError::server(
                "ServiceUnavailableException",
                503,
                "The platform is starting or shutting down; try again.",
            )),
        }
    }
}

impl Dispatcher {
    async fn call_inside(&self, context: &RequestContext, call: ApiCall) -> Result<Json, ServiceError> {
        let named = |service: &&Service| service.model.name() == call.service;
        let service = self.services.iter().find(named);
        let service = service.ok_or_else(|| unknown(format!("There is no service {}.", call.service)))?;
        let model = service.model.get();
        let operation = model.operation(&call.operation);
        let operation =
            operation.ok_or_else(|| unknown(format!("{} has no operation {}.", call.service, call.operation)))?;
        let registered = service.operations.get(operation.name.as_str());
        let registered = registered.ok_or_else(|| find::not_built(service, &operation.name))?;
        let misfit = |message: String| ServiceError::client("SerializationException", 400, message);
        let mut input = match &operation.input {
            Some(member) => value::from_plain(model, member, call.input).map_err(misfit)?,
            None => Value::Map(Vec::new()),
        };
        if let Some(member) = operation.input.as_ref().filter(|_| !s3::is_s3(model)) {
            service.validate(&operation.name, member, &input)?;
        }
        let authorizer = Arc::clone(&self.authorizer);
        let request_id = RequestId::new();
        let context = RequestContext {
            request_id,
            ..context.clone()
        };
        match &registered.call {
            Call::Json(handle) => {
                let document = match &operation.input {
                    Some(member) => value::to_plain(model, member, &input),
                    None => Json::Object(Default::default()),
                };
                let answer = handled(request_id, handle(context, document.to_string().into(), authorizer)).await?;
                // What a handler wrote is JSON; an operation without output writes nothing.
                Ok(serde_json::from_slice(&answer).unwrap_or(Json::Null))
            }
            Call::Modelled(handle) => {
                let body = operation
                    .input
                    .as_ref()
                    .and_then(|member| streamed(model, member))
                    .map(|member| full_body(take_body(&mut input, &member.name)));
                let answer = handled(request_id, handle(context, Incoming { input, body }, authorizer)).await?;
                let Some(member) = &operation.output else {
                    return Ok(Json::Null);
                };
                let mut output = value::to_plain(model, member, &answer.output);
                if let (Some(body), Some(member), Json::Object(members)) =
                    (answer.body, streamed(model, member), &mut output)
                {
                    members.insert(member.name.clone(), value::base64(&content(body).await?));
                }
                Ok(output)
            }
        }
    }
}

/// The member of a structure that the model streams as the body.
fn streamed<'m>(model: &'m Model, member: &Member) -> Option<&'m Member> {
    let structure = model.structure(member)?;
    let payload = &structure.members[structure.payload?];
    let is_blob = matches!(model.shape(payload.shape).kind, Kind::Blob);
    (payload.streaming && is_blob).then_some(payload)
}

/// Takes the body out of `input`, and says its length there, as an HTTP request would.
fn take_body(input: &mut Value, name: &str) -> Bytes {
    let Value::Map(entries) = input else {
        return Bytes::new();
    };
    let at = entries.iter().position(|(key, _)| key == name);
    let bytes = match at.map(|at| entries.swap_remove(at).1) {
        Some(Value::Blob(bytes)) => bytes,
        _ => Bytes::new(),
    };
    entries.retain(|(key, _)| key != CONTENT_LENGTH);
    entries.push((CONTENT_LENGTH.into(), Value::Integer(bytes.len() as i64)));
    bytes
}

async fn content(body: Body) -> Result<Bytes, ServiceError> {
    read_body(body, MAX_STREAMED).await.map_err(|error| {
        ServiceError::client(
            "RequestEntityTooLargeException",
            413,
            format!("The answer cannot be handed on: {error}"),
        )
    })
}

/// Runs a handler; its panic is a fault of the platform, not of who asked.
async fn handled<A>(
    request_id: RequestId,
    handler: impl Future<Output = Result<A, ServiceError>>,
) -> Result<A, ServiceError> {
    let answer = guarded(request_id, handler).await;
    answer.unwrap_or_else(|_| {
        let message = "The request processing has failed because of an internal error.";
        Err(ServiceError::server("InternalFailure", 500, message))
    })
}

fn unknown(message: String) -> ServiceError {
    ServiceError::client("UnknownOperationException", 404, message)
}
