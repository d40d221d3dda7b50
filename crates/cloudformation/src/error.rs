use danbi_core::ServiceError;
use danbi_store::StoreError;
use danbi_store::key::KeyError;

/// What an operation of CloudFormation answers when it does not do what it was asked; worded as AWS words it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A template, a parameter or a stack's state forbids it.
    #[error("{0}")]
    Validation(String),
    /// The stack or change set is there already.
    #[error("{0}")]
    AlreadyExists(String),
    /// The template makes what has to be agreed to by `Capabilities`.
    #[error("{0}")]
    InsufficientCapabilities(String),
    /// No such change set.
    #[error("ChangeSet [{0}] does not exist")]
    NoChangeSet(String),
    /// The change set cannot be executed or deleted as it is.
    #[error("{0}")]
    ChangeSetStatus(String),
    /// The token belongs to another request.
    #[error("{0}")]
    Token(String),
    /// No such resource type.
    #[error("{0}")]
    NoType(String),
    /// Another service refused what this one asked of it.
    #[error(transparent)]
    Asked(#[from] ServiceError),
    /// Other requests changed the same stack until the platform gave up.
    #[error("Rate exceeded")]
    Contention,
    /// Another node works on the stack now.
    #[error("the stack's lease was lost")]
    LeaseLost,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// What the store holds is not what this crate wrote.
    #[error("a stored record cannot be read: {0}")]
    Damaged(String),
}

/// What this crate's functions give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::Validation(message.into())
    }

    /// How CloudFormation says that there is no such stack, which differs between operations.
    pub(crate) fn no_stack(name: &str) -> Self {
        Self::Validation(format!("Stack [{name}] does not exist"))
    }

    pub(crate) fn no_stack_with_id(name: &str) -> Self {
        Self::Validation(format!("Stack with id {name} does not exist"))
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Contention { .. } => Self::Contention,
            error => Self::Store(error),
        }
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl From<Error> for ServiceError {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Validation(_) => Self::client("ValidationError", 400, message),
            Error::AlreadyExists(_) => Self::client("AlreadyExistsException", 400, message),
            Error::InsufficientCapabilities(_) => Self::client("InsufficientCapabilitiesException", 400, message),
            Error::NoChangeSet(_) => Self::client("ChangeSetNotFound", 404, message),
            Error::ChangeSetStatus(_) => Self::client("InvalidChangeSetStatus", 400, message),
            Error::Token(_) => Self::client("TokenAlreadyExistsException", 400, message),
            Error::NoType(_) => Self::client("TypeNotFoundException", 404, message),
            Error::Asked(error) => error,
            Error::Contention => Self::client("Throttling", 400, message),
            Error::LeaseLost | Error::Store(_) | Error::Damaged(_) => {
                tracing::error!(error = %message, "CloudFormation failed");
                Self::server("InternalFailure", 500, "An internal error has occurred.")
            }
        }
    }
}
