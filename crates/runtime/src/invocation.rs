use bytes::Bytes;
use danbi_core::Body;

/// Which environment an event is to have. Anything but [`Self::Any`] is for measuring, and its environment ends with the
/// event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EnvironmentChoice {
    /// An idle one, else a new one made as quickly as can be.
    #[default]
    Any,
    /// A new one, made as quickly as can be: of a template or of a waiting process where there is one.
    Fresh,
    /// A new one with a process of its own.
    New,
}

/// One event for one function.
#[derive(Debug, Clone, Default)]
pub struct Invocation {
    /// The invocation's id, a UUID in lower case.
    pub request_id: String,
    /// The event, JSON; at most 6 MiB (checked by the caller).
    pub payload: Bytes,
    /// JSON text for `context.client_context`, already decoded from base64.
    pub client_context: Option<String>,
    /// JSON text with `cognitoIdentityId` and `cognitoIdentityPoolId`.
    pub cognito_identity: Option<String>,
    /// An `X-Amzn-Trace-Id`; one is made when there is none.
    pub trace_id: Option<String>,
    /// The ARN that the client addressed, with its qualifier if it named one.
    pub invoked_arn: String,
    /// Whether [`Outcome::log_tail`] is wanted (`LogType=Tail`).
    pub log_tail: bool,
    /// Which environment it is to have.
    pub environment: EnvironmentChoice,
}

/// What an event took, as the REPORT line says it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// Milliseconds of the environment's start, when this event started it.
    pub init_ms: Option<f64>,
    /// How long the environment took to be made of a template, when the event is its first.
    pub restore_ms: Option<f64>,
    /// Milliseconds from the event's arrival until there was an environment to have it, without what starting one took.
    pub queue_ms: f64,
    /// Milliseconds from handing over the event to its answer.
    pub duration_ms: f64,
    /// `duration_ms` (and `init_ms`, as AWS bills it since August 2025) rounded up to whole milliseconds.
    pub billed_ms: u64,
    /// The environment's memory peak so far, MiB.
    pub max_memory_mib: u64,
}

/// What came of an event. A function that failed is an outcome too: see [`Outcome::function_error`].
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The function's answer, or its error document.
    pub payload: Bytes,
    /// `Unhandled` when the function failed, for `X-Amz-Function-Error`.
    pub function_error: Option<&'static str>,
    /// The last 4 KiB of the event's log, when asked for.
    pub log_tail: Option<Bytes>,
    /// What it took.
    pub usage: Usage,
}

/// How a streamed answer ended.
#[derive(Debug, Clone, Default)]
pub struct StreamEnd {
    /// The error's type when the function failed, before or in the middle of its answer.
    pub error_code: Option<String>,
    /// The error document.
    pub error_details: Option<String>,
    /// The last 4 KiB of the event's log, when asked for.
    pub log_tail: Option<Bytes>,
    /// What it took.
    pub usage: Usage,
}

/// An answer that arrives in pieces, from [`crate::Runtime::invoke_streaming`].
pub struct StreamingOutcome {
    /// The content type that the function gave; `application/octet-stream` when none.
    pub content_type: String,
    /// For content type `application/vnd.awslambda.http-integration-response`: the JSON object before the eight NULs
    /// (`statusCode`, `headers`, `cookies`), already taken off [`Self::body`].
    pub prelude: Option<Bytes>,
    /// The bytes, as the function writes them. A slow reader slows the function down. It ends early when the function
    /// fails; [`Self::end`] says so.
    pub body: Body,
    /// The function failed before its first byte: `body` is empty and `end` is ready with the error.
    pub failed: bool,
    /// Ready once `body` is at its end.
    pub end: tokio::sync::oneshot::Receiver<StreamEnd>,
}
