//! Three small services of different protocols, with shapes as the generator writes them.

use danbi_core::{Access, RequestContext, ServiceError};
use danbi_wire::{Blob, Empty, EventStream, Operation, Service, StreamOperation, models};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct GroupName {
    #[serde(rename = "logGroupName")]
    pub name: String,
}

pub struct CreateLogGroup;
impl Operation for CreateLogGroup {
    const NAME: &'static str = "CreateLogGroup";
    type Input = GroupName;
    type Output = Empty;
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Invocation {
    #[serde(rename = "FunctionName")]
    pub function_name: String,
    #[serde(rename = "Payload")]
    pub payload: Option<Blob>,
}

#[derive(Debug, Default, Serialize)]
pub struct InvocationResponse {
    #[serde(rename = "StatusCode")]
    pub status_code: i32,
    #[serde(rename = "ExecutedVersion")]
    pub executed_version: Option<String>,
    #[serde(rename = "FunctionError", skip_serializing_if = "Option::is_none")]
    pub function_error: Option<String>,
    #[serde(rename = "Payload")]
    pub payload: Option<Blob>,
}

pub struct Invoke;
impl Operation for Invoke {
    const NAME: &'static str = "Invoke";
    type Input = Invocation;
    type Output = InvocationResponse;
}

#[derive(Debug, Default, Serialize)]
pub struct StreamingResponse {
    #[serde(rename = "StatusCode")]
    pub status_code: i32,
    #[serde(rename = "ResponseStreamContentType")]
    pub content_type: String,
}

#[derive(Debug, Default, Serialize)]
pub struct Chunk {
    #[serde(rename = "Payload")]
    pub payload: Blob,
}

#[derive(Debug, Serialize)]
pub enum Event {
    PayloadChunk(Chunk),
    InvokeComplete(Empty),
}

pub struct InvokeWithResponseStream;
impl Operation for InvokeWithResponseStream {
    const NAME: &'static str = "InvokeWithResponseStream";
    type Input = Invocation;
    type Output = StreamingResponse;
}
impl StreamOperation for InvokeWithResponseStream {
    type Event = Event;
}

#[derive(Debug, Default, Serialize)]
pub struct Caller {
    #[serde(rename = "UserId")]
    pub user_id: String,
    #[serde(rename = "Account")]
    pub account: String,
    #[serde(rename = "Arn")]
    pub arn: String,
}

pub struct GetCallerIdentity;
impl Operation for GetCallerIdentity {
    const NAME: &'static str = "GetCallerIdentity";
    type Input = Empty;
    type Output = Caller;
}

async fn create_log_group(_: Arc<()>, _: RequestContext, input: GroupName) -> Result<Empty, ServiceError> {
    match input.name.as_str() {
        "panic" => panic!("a handler's defect"),
        "taken" => Err(ServiceError::client(
            "ResourceAlreadyExistsException",
            400,
            "The specified log group already exists",
        )),
        _ => Ok(Empty {}),
    }
}

async fn invoke(_: Arc<()>, context: RequestContext, input: Invocation) -> Result<InvocationResponse, ServiceError> {
    if input.function_name == "missing" {
        let message = "Function not found: arn:aws:lambda:eu-central-1:000000000000:function:missing";
        return Err(ServiceError::client("ResourceNotFoundException", 404, message));
    }
    if input.function_name == "busy" {
        let mut error = ServiceError::client("TooManyRequestsException", 429, "Rate Exceeded.")
            .with("Reason", "ReservedFunctionConcurrentInvocationLimitExceeded");
        error.retry_after_secs = Some(2);
        return Err(error);
    }
    assert_eq!(context.scope.region.as_str(), "eu-central-1");
    let executed_version = Some("$LATEST".into());
    Ok(InvocationResponse {
        status_code: 202,
        executed_version,
        function_error: None,
        payload: input.payload,
    })
}

async fn stream(
    _: Arc<()>,
    _: RequestContext,
    input: Invocation,
) -> Result<(StreamingResponse, EventStream<Event>), ServiceError> {
    let chunk = Ok(Event::PayloadChunk(Chunk {
        payload: Blob::from(b"hello".to_vec()),
    }));
    let end = match input.function_name.as_str() {
        "breaks" => Err(ServiceError::server("ServiceException", 500, "it broke")),
        _ => Ok(Event::InvokeComplete(Empty {})),
    };
    let never = Ok(Event::PayloadChunk(Chunk::default()));
    let ended = end.is_ok();
    let events = [chunk, end].into_iter().chain((!ended).then_some(never));
    let output = StreamingResponse {
        status_code: 200,
        content_type: "text/html".into(),
    };
    Ok((output, Box::pin(futures_util::stream::iter(events.collect::<Vec<_>>()))))
}

async fn caller(_: Arc<()>, context: RequestContext, _: Empty) -> Result<Caller, ServiceError> {
    let arn = context.principal.arn().unwrap_or_default();
    Ok(Caller {
        user_id: "000000000000".into(),
        account: context.scope.account.to_string(),
        arn,
    })
}

pub fn logs() -> Service {
    Service::builder(&models::LOGS, Arc::new(()))
        .on(
            CreateLogGroup,
            |_, _, input| Ok(Access::new("logs:CreateLogGroup", &input.name)),
            create_log_group,
        )
        .body_limit(1000)
        .build()
}

pub fn lambda() -> Service {
    Service::builder(&models::LAMBDA, Arc::new(()))
        .on(
            Invoke,
            |_, _, input| Ok(Access::new("lambda:InvokeFunction", &input.function_name)),
            invoke,
        )
        .on_stream(
            InvokeWithResponseStream,
            |_, _, input| Ok(Access::new("lambda:InvokeFunction", &input.function_name)),
            stream,
        )
        .body_limit_of(Invoke, 2000)
        .build()
}

pub fn sts() -> Service {
    Service::builder(&models::STS, Arc::new(()))
        .on(
            GetCallerIdentity,
            |_, _, _| Ok(Access::any("sts:GetCallerIdentity")),
            caller,
        )
        .build()
}
