use crate::chunk::ChunkError;
use crate::pattern::PatternError;
use danbi_core::ServiceError;
use danbi_store::StoreError;
use danbi_store::key::KeyError;

/// What an operation of CloudWatch Logs answers when it does not do what it was asked; worded as AWS words it.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// A parameter is wrong.
    #[error("{0}")]
    InvalidParameter(String),
    /// Parameters do not go together; AWS gives some of these another code than the one above.
    #[error("{0}")]
    Validation(&'static str),
    /// No such group.
    #[error("The specified log group does not exist.")]
    NoGroup,
    /// No such stream.
    #[error("The specified log stream does not exist.")]
    NoStream,
    /// A resource ARN that names nothing here.
    #[error("The specified resource does not exist.")]
    NoResource,
    /// The group is there already.
    #[error("The specified log group already exists")]
    GroupExists,
    /// The stream is there already.
    #[error("The specified log stream already exists")]
    StreamExists,
    /// More than 50 tags.
    #[error("A resource can have no more than 50 tags.")]
    TooManyTags,
    /// Other requests changed the same resource until the platform gave up.
    #[error("Multiple concurrent requests to update the same resource were in conflict.")]
    Aborted,
    /// The platform stops or its writer is gone.
    #[error("The service cannot complete the request.")]
    Unavailable,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// What the store holds is not what this crate wrote.
    #[error("a stored record cannot be read: {0}")]
    Damaged(String),
}

impl LogsError {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::InvalidParameter(message.into())
    }

    /// A token that no earlier answer gave.
    pub(crate) fn token() -> Self {
        Self::invalid("The specified nextToken is invalid.")
    }
}

impl From<StoreError> for LogsError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Contention { .. } => Self::Aborted,
            error => Self::Store(error),
        }
    }
}

impl From<PatternError> for LogsError {
    fn from(error: PatternError) -> Self {
        Self::InvalidParameter(error.to_string())
    }
}

impl From<KeyError> for LogsError {
    fn from(error: KeyError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl From<ChunkError> for LogsError {
    fn from(error: ChunkError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl From<serde_json::Error> for LogsError {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl From<LogsError> for ServiceError {
    fn from(error: LogsError) -> Self {
        let code = match &error {
            LogsError::InvalidParameter(_) => "InvalidParameterException",
            LogsError::Validation(_) => "ValidationException",
            LogsError::NoGroup | LogsError::NoStream | LogsError::NoResource => "ResourceNotFoundException",
            LogsError::GroupExists | LogsError::StreamExists => "ResourceAlreadyExistsException",
            LogsError::TooManyTags => "TooManyTagsException",
            LogsError::Aborted => "OperationAbortedException",
            LogsError::Unavailable | LogsError::Store(_) | LogsError::Damaged(_) => {
                if !matches!(error, LogsError::Unavailable) {
                    tracing::error!(%error, "logs: an operation failed in the platform");
                }
                let message = LogsError::Unavailable.to_string();
                return Self::server("ServiceUnavailableException", 503, message);
            }
        };
        Self::client(code, 400, error.to_string())
    }
}
