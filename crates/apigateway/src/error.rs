use danbi_core::ServiceError;

/// Why a control-plane operation was refused; each variant is one of API Gateway's error codes.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// 400 `BadRequestException`.
    #[error("{0}")]
    BadRequest(String),
    /// 404 `NotFoundException`.
    #[error("{0}")]
    NotFound(String),
    /// 409 `ConflictException`.
    #[error("{0}")]
    Conflict(String),
    /// 429 `LimitExceededException`.
    #[error("{0}")]
    LimitExceeded(String),
    /// 501: AWS has it, this platform has not; the message names it.
    #[error("{0}")]
    NotBuilt(String),
    /// 500: the platform's fault; the cause is in the platform's log.
    #[error("Internal server error")]
    Internal,
    /// An error of another service, handed on as it is.
    #[error("{}", .0.message)]
    Other(ServiceError),
}

impl Error {
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::BadRequest(message.into())
    }

    pub(crate) fn missing(message: impl Into<String>) -> Self {
        Self::NotFound(message.into())
    }

    pub(crate) fn resource() -> Self {
        Self::missing("Invalid Resource identifier specified")
    }

    pub(crate) fn method() -> Self {
        Self::missing("Invalid Method identifier specified")
    }

    pub(crate) fn integration() -> Self {
        Self::missing("Invalid Integration identifier specified")
    }

    pub(crate) fn status_code() -> Self {
        Self::missing("Invalid Response status code specified")
    }

    /// The platform's own fault: logs `cause` and hides it from the caller.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "apigateway: internal fault");
        Self::Internal
    }
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::BadRequest(_) => Self::client("BadRequestException", 400, message),
            Error::NotFound(_) => Self::client("NotFoundException", 404, message),
            Error::Conflict(_) => Self::client("ConflictException", 409, message),
            Error::LimitExceeded(_) => Self::client("LimitExceededException", 429, message),
            Error::NotBuilt(_) => Self::server("NotImplementedException", 501, message),
            Error::Internal => Self::server("InternalFailure", 500, message),
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
        use danbi_store::StoreError as Cause;
        match error {
            Cause::ValueLength { .. } => Self::bad("The definition is too large: one element may have 100 kB."),
            Cause::TransactionTooLarge { .. } => Self::bad("The definition of the API is too large."),
            Cause::KeyLength { .. } => Self::bad("A name is too long."),
            other => Self::internal(other),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}
