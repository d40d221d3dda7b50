use danbi_core::{Arn, ServiceError};
use danbi_runtime::RuntimeError;

/// What the Lambda API answers when it does not do what it was asked; each variant is one of AWS's error codes, with
/// AWS's own words. Source: <https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html> and the answers recorded
/// from AWS.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// 400: a member breaks a constraint of the model.
    #[error("{0}")]
    Validation(String),
    /// 400: a value is well formed and not acceptable.
    #[error("{0}")]
    InvalidParameter(String),
    /// 404.
    #[error("{0}")]
    NotFound(String),
    /// 404: nothing is provisioned for this alias or version.
    #[error("No Provisioned Concurrency Config found for this function")]
    NoProvision,
    /// 409: it exists already, or the function is in a state that forbids this.
    #[error("{0}")]
    Conflict(String),
    /// 412: `RevisionId` is not the latest.
    #[error(
        "The Revision Id provided does not match the latest Revision Id. Call the {0} API to retrieve the latest Revision Id"
    )]
    RevisionMismatch(&'static str),
    /// 429: no concurrency left.
    #[error("Rate Exceeded.")]
    Throttled(Throttle),
    /// 413: the payload or the request is too large.
    #[error("{0}")]
    TooLarge(String),
    /// 400: the payload is not JSON.
    #[error("Could not parse request body into json: {0}")]
    InvalidContent(String),
    /// 400: the account has stored all the code it may.
    #[error("Code storage limit exceeded.")]
    CodeStorageExceeded,
    /// 400: a resource policy would be too long.
    #[error("The final policy size ({0}) is bigger than the limit (20480).")]
    PolicyTooLong(usize),
    /// 403: another account's, and nothing lets the caller in.
    #[error("")]
    AccessDenied,
    /// 403: a function can only act as a role of its own account.
    #[error("Cross-account pass role is not allowed.")]
    CrossAccountRole,
    /// 502: the function's configuration cannot run here.
    #[error("{0}")]
    InvalidRuntime(String),
    /// 501-like answer for what AWS has and this platform has not built; says which.
    #[error("{0}")]
    Unsupported(String),
    /// 500: the platform's fault; the cause is in the platform's log.
    #[error("An error occurred and the request cannot be processed.")]
    Internal,
    /// An error of another service, handed on as it is.
    #[error("{}", .0.message)]
    Other(ServiceError),
}

/// Which limit a throttled invocation met (`Reason` of `TooManyRequestsException`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttle {
    /// The function's reserved concurrency.
    Reserved,
    /// The account's unreserved concurrency, or this machine's.
    Account,
}

impl Throttle {
    /// The `Reason` member.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Reserved => "ReservedFunctionConcurrentInvocationLimitExceeded",
            Self::Account => "ConcurrentInvocationLimitExceeded",
        }
    }
}

impl Error {
    /// `Function not found: ARN`.
    pub fn function_not_found(arn: impl std::fmt::Display) -> Self {
        Self::NotFound(format!("Function not found: {arn}"))
    }

    /// One constraint broken, in the words of AWS's validator.
    pub fn constraint(value: &str, member: &str, constraint: impl std::fmt::Display) -> Self {
        Self::Validation(format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
        ))
    }

    /// The platform's own fault: logs `cause` and hides it from the caller.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "lambda: internal fault");
        Self::Internal
    }

    /// An update is under way, so this one has to wait.
    pub fn update_in_progress(arn: &Arn) -> Self {
        Self::Conflict(format!(
            "The operation cannot be performed at this time. An update is in progress for resource: {arn}"
        ))
    }

    /// The function is not (yet, or any more) fit for this.
    pub fn state(state: &str) -> Self {
        Self::Conflict(format!(
            "The operation cannot be performed at this time. The function is currently in the following state: {state}"
        ))
    }
}

/// Seconds after which a throttled caller is told to try again.
const RETRY_AFTER_SECS: u32 = 1;

impl From<Error> for ServiceError {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let user = |code, status| Self::client(code, status, message.clone()).with("Type", "User");
        match error {
            Error::Validation(_) => Self::client("ValidationException", 400, message),
            Error::InvalidParameter(_) => user("InvalidParameterValueException", 400),
            Error::NotFound(_) => user("ResourceNotFoundException", 404),
            Error::NoProvision => user("ProvisionedConcurrencyConfigNotFoundException", 404),
            Error::Conflict(_) => user("ResourceConflictException", 409),
            Error::RevisionMismatch(_) => user("PreconditionFailedException", 412),
            Error::Throttled(limit) => Self {
                retry_after_secs: Some(RETRY_AFTER_SECS),
                ..user("TooManyRequestsException", 429).with("Reason", limit.reason())
            },
            Error::TooLarge(_) => Self::client("RequestEntityTooLargeException", 413, message),
            Error::InvalidContent(_) => user("InvalidRequestContentException", 400),
            Error::CodeStorageExceeded => user("CodeStorageExceededException", 400),
            Error::PolicyTooLong(_) => user("PolicyLengthExceededException", 400),
            Error::AccessDenied | Error::CrossAccountRole => Self::client("AccessDeniedException", 403, message),
            Error::InvalidRuntime(_) => Self::server("InvalidRuntimeException", 502, message).with("Type", "User"),
            Error::Unsupported(_) => user("InvalidParameterValueException", 400),
            Error::Internal => Self::server("ServiceException", 500, message).with("Type", "Service"),
            Error::Other(error) => error,
        }
    }
}

impl From<ServiceError> for Error {
    fn from(error: ServiceError) -> Self {
        Self::Other(error)
    }
}

impl From<danbi_store::StoreError> for Error {
    fn from(error: danbi_store::StoreError) -> Self {
        Self::internal(error)
    }
}

impl From<danbi_blobs::BlobError> for Error {
    fn from(error: danbi_blobs::BlobError) -> Self {
        Self::internal(error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::internal(error)
    }
}

impl From<RuntimeError> for Error {
    fn from(error: RuntimeError) -> Self {
        match error {
            RuntimeError::ConcurrencyLimit { .. } => Self::Throttled(Throttle::Reserved),
            RuntimeError::NoCapacity { reason } => {
                tracing::warn!(%reason, "no room for another execution environment");
                Self::Throttled(Throttle::Account)
            }
            RuntimeError::Unsupported { runtime, advice } => {
                Self::InvalidRuntime(format!("The runtime {runtime} cannot run here: {advice}"))
            }
            RuntimeError::Role(error) => Self::Other(error),
            RuntimeError::Mode(why) => Self::InvalidParameter(why.into()),
            RuntimeError::Draining => Self::Other(
                ServiceError::server("ServiceException", 503, "The platform is shutting down.").with("Type", "Service"),
            ),
            RuntimeError::Sandbox(_) | RuntimeError::App(_) => Self::internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_bear_the_code_the_status_and_the_members_of_aws() {
        let throttle = ServiceError::from(Error::Throttled(Throttle::Reserved));
        assert_eq!((throttle.code, throttle.status), ("TooManyRequestsException", 429));
        assert_eq!(throttle.message, "Rate Exceeded.");
        assert_eq!(
            throttle.members["Reason"],
            "ReservedFunctionConcurrentInvocationLimitExceeded"
        );
        assert_eq!(throttle.retry_after_secs, Some(1));

        let revision = ServiceError::from(Error::RevisionMismatch("GetFunction/GetAlias"));
        assert_eq!((revision.code, revision.status), ("PreconditionFailedException", 412));
        assert_eq!(
            revision.message,
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
        );
        assert!(ServiceError::from(Error::Validation(String::new())).members.is_empty());
    }
}
