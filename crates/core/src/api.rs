use crate::{Arn, Principal, RequestContext, ServiceError, SourceResource};
use async_trait::async_trait;
use serde_json::Value;

/// One operation of a service, asked for from inside the platform.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiCall {
    /// The service by its model's name, such as `lambda`, `apigateway` or `events`.
    pub service: String,
    /// The operation, such as `CreateFunction`.
    pub operation: String,
    /// The input: members by their names in the model, blobs in base64, timestamps as seconds since the epoch.
    pub input: Value,
}

impl ApiCall {
    /// A call of `operation`.
    pub fn new(service: impl Into<String>, operation: impl Into<String>, input: Value) -> Self {
        Self {
            service: service.into(),
            operation: operation.into(),
            input,
        }
    }
}

/// The platform's own API without the network: how a service that works on others' behalf (stacks, schedules, API
/// Gateway's AWS integrations) asks another one. Implemented by `wire`'s dispatcher.
#[async_trait]
pub trait Api: Send + Sync + 'static {
    /// Does what a request of `context.principal` would do: the input is validated, the authorizer is asked, and the
    /// operation runs. The output has the form of [`ApiCall::input`].
    ///
    /// Text is taken for a number or a boolean where the model wants one, and a document for its text, because templates
    /// write them so.
    ///
    /// # Errors
    /// Those of the operation; `SerializationException` (400) for input that does not fit the model;
    /// `UnknownOperationException` (404) for a service or operation that does not exist, and
    /// `NotImplementedException` (501) for one that is not built.
    async fn call(&self, context: &RequestContext, call: ApiCall) -> Result<Value, ServiceError>;
}

/// Lets a service of the platform work as one of a user's roles. Implemented by `iam`.
#[async_trait]
pub trait ServiceRoles: Send + Sync + 'static {
    /// The principal of a session of `role` that `service` (such as `events.amazonaws.com`) works as, for `source`.
    ///
    /// # Errors
    /// `AccessDenied` (403) when there is no such role or its trust policy does not let the service assume it.
    async fn act_as(
        &self,
        role: &Arn,
        service: &str,
        session_name: &str,
        source: Option<&SourceResource>,
    ) -> Result<Principal, ServiceError>;
}
