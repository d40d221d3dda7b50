use crate::{Arn, RequestContext, ServiceError};
use async_trait::async_trait;
use bytes::Bytes;

/// How the caller waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvocationType {
    /// Until the function has answered.
    RequestResponse,
    /// Until the event is durably queued.
    Event,
    /// Only for the checks.
    DryRun,
}

/// One event for one function, from another service of the platform.
#[derive(Debug, Clone)]
pub struct InvokeRequest {
    /// The function's ARN, with or without a qualifier.
    pub function: Arn,
    /// How to wait.
    pub invocation_type: InvocationType,
    /// The event, JSON; at most 6 MiB, for `Event` 1 MiB.
    pub payload: Bytes,
    /// An `X-Amzn-Trace-Id` to hand on.
    pub trace_id: Option<String>,
}

/// What came of an invocation.
#[derive(Debug, Clone)]
pub struct InvokeResponse {
    /// 200, 202 (queued) or 204 (dry run).
    pub status: u16,
    /// The function's answer, or its error document.
    pub payload: Bytes,
    /// `Unhandled` or `Handled` when the function failed.
    pub function_error: Option<String>,
    /// The version that ran.
    pub executed_version: String,
}

/// Runs functions for other services (API Gateway, events, queues, custom resources). Implemented by `lambda`.
#[async_trait]
pub trait Invoker: Send + Sync + 'static {
    /// Invokes after asking the authorizer for `lambda:InvokeFunction` in the name of `context.principal`.
    async fn invoke(&self, context: &RequestContext, request: InvokeRequest) -> Result<InvokeResponse, ServiceError>;
}
