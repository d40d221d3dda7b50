use danbi_core::ServiceError;
use danbi_outbox::OutboxError;
use danbi_store::StoreError;

/// What an operation of SNS answers when it does not do what it was asked; worded as AWS words it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A parameter is wrong.
    #[error("Invalid parameter: {0}")]
    Invalid(String),
    /// A parameter is wrong, in words of its own.
    #[error("{0}")]
    InvalidWords(String),
    /// A value is wrong.
    #[error("{0}")]
    Value(String),
    /// A topic or subscription that is not there.
    #[error("{0} does not exist")]
    NotFound(&'static str),
    /// A resource that is not there, for the operations on tags.
    #[error("Resource does not exist")]
    NoResource,
    /// A batch that cannot be looked at, by its code.
    #[error("{1}")]
    Batch(&'static str, String),
    /// Too many of something, by its code.
    #[error("{1}")]
    Limit(&'static str, String),
    /// What is not built, by name (501).
    #[error("{0}")]
    Unsupported(String),
    /// Other requests changed the same thing until the platform gave up.
    #[error("Can't perform multiple operations on a topic at the same time.")]
    Concurrent,
    /// A fault of the platform; its cause is logged.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Contention { .. } => Self::Concurrent,
            error => Self::Internal(error.to_string()),
        }
    }
}

impl From<OutboxError> for Error {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Store(error) => error.into(),
            error => Self::Internal(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> Self {
        let (code, status) = match &error {
            Error::Invalid(_) | Error::InvalidWords(_) => ("InvalidParameter", 400),
            Error::Value(_) => ("ParameterValueInvalid", 400),
            Error::NotFound(_) => ("NotFound", 404),
            Error::NoResource => ("ResourceNotFound", 404),
            Error::Batch(code, _) => (*code, 400),
            Error::Limit(code, _) => (*code, 403),
            Error::Unsupported(_) => ("NotImplementedException", 501),
            Error::Concurrent => ("ConcurrentAccess", 400),
            Error::Internal(cause) => {
                tracing::error!(%cause, "sns: an operation failed in the platform");
                return Self::server("InternalError", 500, "Internal Server Error");
            }
        };
        Self::client(code, status, error.to_string())
    }
}
