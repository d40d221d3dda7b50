use danbi_core::ServiceError;
use danbi_outbox::OutboxError;
use danbi_patterns::PatternError;
use danbi_store::StoreError;

/// What an operation of EventBridge or Scheduler answers when it does not do what it was asked; worded as AWS words it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A parameter is wrong.
    #[error("{0}")]
    Validation(String),
    /// A rule, bus, archive or replay that is not there (400).
    #[error("{0}")]
    NotFound(String),
    /// The same for Scheduler, which answers 404.
    #[error("{0}")]
    NoSchedule(String),
    /// The name is taken.
    #[error("{0}")]
    AlreadyExists(String),
    /// The name is taken, or a token was used for another request (Scheduler, 409).
    #[error("{0}")]
    Conflict(String),
    /// A text that is no event pattern.
    #[error("Event pattern is not valid. Reason: {0}")]
    Pattern(#[from] PatternError),
    /// Too many of something.
    #[error("{0}")]
    Limit(String),
    /// Something is in a state in which this cannot be done.
    #[error("{0}")]
    IllegalStatus(String),
    /// A policy that cannot be kept.
    #[error("{0}")]
    PolicyTooLong(String),
    /// What is not built, by name (501).
    #[error("{0}")]
    Unsupported(String),
    /// Other requests changed the same thing until the platform gave up.
    #[error("{0}")]
    Concurrent(&'static str),
    /// A fault of the platform; its cause is logged.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::Validation(message.into())
    }

    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Contention { .. } => {
                Self::Concurrent("There is concurrent modification on a rule, target, archive, or replay.")
            }
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
            Error::Validation(_) => ("ValidationException", 400),
            Error::NotFound(_) => ("ResourceNotFoundException", 400),
            Error::NoSchedule(_) => ("ResourceNotFoundException", 404),
            Error::AlreadyExists(_) => ("ResourceAlreadyExistsException", 400),
            Error::Conflict(_) => ("ConflictException", 409),
            Error::Pattern(_) => ("InvalidEventPatternException", 400),
            Error::Limit(_) => ("LimitExceededException", 400),
            Error::IllegalStatus(_) => ("IllegalStatusException", 400),
            Error::PolicyTooLong(_) => ("PolicyLengthExceededException", 400),
            Error::Unsupported(_) => ("NotImplementedException", 501),
            Error::Concurrent(_) => ("ConcurrentModificationException", 400),
            Error::Internal(cause) => {
                tracing::error!(%cause, "events: an operation failed in the platform");
                let message = "This exception occurs due to unexpected causes.";
                return Self::server("InternalException", 500, message);
            }
        };
        Self::client(code, status, error.to_string())
    }
}
